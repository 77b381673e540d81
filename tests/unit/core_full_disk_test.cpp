// Checkpoints and adapters on a disk that is full: the error says so, the last good ones stay.
#include "support/small_disk.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::hn::test::fill_disk;
using ::hn::test::on_small_file_system;
using ::hn::test::SmallDisk;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CoreFullDisk : public CoreTest {
 protected:
  std::filesystem::path file() const { return folder_ / "checkpoint.safetensors"; }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  }
  // What is on the disk is the state after `step`, whole, and the session itself goes on.
  void expect_last_good(Session& session, std::uint64_t step, const Numbers& then) {
    const auto resumed = open_session(fake_spec(), {});
    resumed->load_checkpoint(file());
    EXPECT_EQ(resumed->step(), step);
    const auto adapted = open_session(fake_spec(), {});
    adapted->load_adapter(folder_ / "adapter");
    EXPECT_EQ(largest_difference(read_numbers(folder_ / "adapter/adapter_model.safetensors"), then),
              0);
    const std::uint64_t before = session.step();
    session.train_step();
    EXPECT_EQ(session.step(), before + 1);
  }
};

TEST_F(CoreFullDisk, AWriteThatEndsInTheMiddleLeavesTheLastGoodFiles) {
  const auto session = open_session(fake_spec(), {});
  session->train_step();
  session->save_checkpoint(file());
  session->save_adapter(folder_ / "adapter");
  const Numbers then = read_numbers(folder_ / "adapter/adapter_model.safetensors");
  const std::size_t count = files();
  for (const rlim_t bytes : {0, 1, 100, 300}) {
    session->train_step();
    {
      const SmallDisk disk(bytes);
      EXPECT_FAILS(HN_INTERNAL,
                   AllOf(HasSubstr("checkpoint.safetensors"), HasSubstr("File too large"),
                         HasSubstr("after " + std::to_string(bytes) + " bytes")),
                   session->save_checkpoint(file()));
      EXPECT_FAILS(HN_INTERNAL,
                   AllOf(HasSubstr("adapter_model.safetensors"), HasSubstr("File too large")),
                   session->save_adapter(folder_ / "adapter"));
    }
    EXPECT_EQ(files(), count) << "nothing half-written stays";
    expect_last_good(*session, 1, then);
  }
}

TEST_F(CoreFullDisk, NoSpaceLeftOnTheDevice) {
  const auto result = on_small_file_system(folder_, 64u << 10, [&] {
    const auto session = open_session(fake_spec(), {});
    session->train_step();
    session->save_checkpoint(file());
    session->save_adapter(folder_ / "adapter");
    const Numbers then = read_numbers(folder_ / "adapter/adapter_model.safetensors");
    fill_disk(folder_ / "filler");
    const std::size_t count = files();
    session->train_step();
    EXPECT_FAILS(HN_INTERNAL,
                 AllOf(HasSubstr("checkpoint.safetensors"), HasSubstr("No space left")),
                 session->save_checkpoint(file()));
    EXPECT_FAILS(HN_INTERNAL,
                 AllOf(HasSubstr("adapter_model.safetensors"), HasSubstr("No space left")),
                 session->save_adapter(folder_ / "adapter"));
    EXPECT_EQ(files(), count);
    expect_last_good(*session, 1, then);
    // Room again: the same session saves what it has.
    std::filesystem::remove(folder_ / "filler");
    session->save_checkpoint(file());
    const auto resumed = open_session(fake_spec(), {});
    resumed->load_checkpoint(file());
    EXPECT_EQ(resumed->step(), session->step());
  });
  if (!result) GTEST_SKIP() << "this system lets a test mount nothing";
  EXPECT_TRUE(*result);
}

}  // namespace
}  // namespace hn::core::test
