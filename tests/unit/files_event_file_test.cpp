// Golden: tests/golden/events/events.bin, written by TensorBoard's own classes (make.py there).
#include "files/event_file.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::host {
namespace {

using hn::test::expect_error;
using hn::test::read_bytes;
using hn::test::TestFolder;

std::string png() {
  std::string bytes;
  for (char c = 0; c < 64; ++c) bytes += c;
  return bytes;
}

void write_golden_events(const std::filesystem::path& file) {
  EventFile events(file, 0, 1000.25);
  events.scalars(0, 1000.5, {{"eval/redness", 0.104}});
  events.scalars(1, 1001.0, {{"train/reward", -0.5}, {"train/kl", 0.0}});
  events.image(200, 1002.0, "samples", png(), 300, 4);
}

// RFC 3720, B.4: the test vectors of CRC-32C.
TEST(EventFile, Crc32c) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
}

TEST(EventFile, SameBytesAsTensorBoard) {
  const TestFolder folder;
  write_golden_events(folder.path() / "events");
  EXPECT_EQ(read_bytes(folder.path() / "events"),
            read_bytes(HN_SOURCE_DIR "/tests/golden/events/events.bin"));
}

TEST(EventFile, ReadsStepsBack) {
  const auto records =
      read_event_records(read_bytes(HN_SOURCE_DIR "/tests/golden/events/events.bin"));
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[1].step, 0u);
  EXPECT_EQ(records[2].step, 1u);
  EXPECT_EQ(records[3].step, 200u);
}

TEST(EventFile, ResumeKeepsUpToTheStep) {
  const TestFolder folder;
  const auto file = folder.path() / "events";
  write_golden_events(file);
  EventFile(file, 3, 2000.0).scalars(2, 2001.0, {{"x", 1.0}});
  const auto records = read_event_records(read_bytes(file));
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[3].step, 2u);
}

TEST(EventFile, DamageEndsTheRecords) {
  const std::string whole = read_bytes(HN_SOURCE_DIR "/tests/golden/events/events.bin");
  const auto all = read_event_records(whole);
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const auto some = read_event_records(whole.substr(0, cut));
    ASSERT_LT(some.size(), all.size());
    for (const auto& each : some) ASSERT_LE(each.end, cut);
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    ASSERT_LT(read_event_records(damaged).size(), all.size()) << at;
  }
}

TEST(EventFile, DamageInWhatIsKeptIsRefused) {
  const TestFolder folder;
  const auto file = folder.path() / "events";
  write_golden_events(file);
  const std::string whole = read_bytes(file);
  const auto records = read_event_records(whole);
  std::string damaged = whole;
  damaged[records[1].end + 14] ^= 1;
  folder.write("events", damaged);
  expect_error(HN_DATA_LOSS,
               {"events", "the 3 whole records", "got 2", "byte " + std::to_string(records[1].end),
                "remove it"},
               [&] { EventFile(file, 3, 2000.0); });
  EXPECT_EQ(read_bytes(file), damaged);
  // Behind what is kept it is written again.
  EXPECT_EQ(EventFile(file, 2, 2000.0).records(), 2u);
}

TEST(EventFile, AnAbsentFileIsBegun) {
  const TestFolder folder;
  EXPECT_EQ(EventFile(folder.path() / "events", 7, 0.5).records(), 1u);
}

TEST(EventFile, FullDisk) {
  expect_error(HN_INTERNAL, {"No space left"}, [] { EventFile("/dev/full", 0, 0.5); });
}

}  // namespace
}  // namespace hn::host
