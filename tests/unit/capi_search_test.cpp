// hnhost_search and hnhost_headroom over the fake core, whose pictures ignore the noise.
#include <nlohmann/json.hpp>

#include "files/tensor_file.hpp"
#include "unit/capi_support.hpp"

namespace hn::host {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using Json = nlohmann::json;

using Call = hn_status (*)(hnhost*, hn_str, const hnhost_hooks*, hnhost_text**, hn_error*);

class SearchApi : public CApi {
 protected:
  std::string request(const std::string& more = "") const {
    return "config = '''" + std::string(kConfig) + more + "'''\nprompts = [\"a\", \"b\", \"c\"]\n";
  }
  std::string to(const std::string& name) const {
    return "out_dir = \"" + (folder_ / name).string() + "\"\n";
  }
  hn_status call(Call function, const std::string& text, const hnhost_hooks* hooks = nullptr) {
    hnhost_text* out = nullptr;
    const hn_status status = function(host_.get(), str(text), hooks, &out, error_.get());
    answer_ = status == HN_OK ? Json::parse(view(hnhost_text_view(out))) : Json();
    hnhost_text_free(out);
    return status;
  }
  Json answer_;
};

TEST_F(SearchApi, NothingToGainWhereTheNoiseIsIgnored) {
  ASSERT_EQ(call(hnhost_headroom, request() + "seeds = 4\n"), HN_OK) << error_.text();
  EXPECT_EQ(answer_.at("verdict"), "nothing to gain");
  EXPECT_EQ(answer_.at("prompts"), 3);
  EXPECT_EQ(answer_.at("best_of").back().at("gain").at("mean"), 0);
  EXPECT_TRUE(answer_.at("gradient_norm").is_null()) << "the fake core has no gradient";
}

TEST_F(SearchApi, EqualsKeepTheStart) {
  ASSERT_EQ(call(hnhost_search, request("[search]\nn = 5\n") + to("found")), HN_OK)
      << error_.text();
  for (const Json& row : answer_.at("rows")) EXPECT_EQ(row.at("best"), 0);
  const auto noise = read_tensor(folder_ / "found/noises.safetensors", "noise");
  EXPECT_EQ(noise.shape, (std::vector<std::int64_t>{3, 4, 2, 2}));
  EXPECT_EQ(noise.data, read_tensor(folder_ / "found/noises.safetensors", "start").data);
  EXPECT_EQ(read_tensor(folder_ / "found/noises.safetensors", "step_noise").shape,
            (std::vector<std::int64_t>{1, 3, 4, 2, 2}));
}

TEST_F(SearchApi, CancelledItKeepsWhatIsFinished) {
  struct Stop {
    int prompts = 0;
    bool now = false;
  } stop;
  hnhost_hooks hooks{};
  hooks.struct_size = sizeof(hooks);
  hooks.ctx = &stop;
  hooks.on_progress = [](void* ctx, hn_str what, std::uint64_t done, std::uint64_t) {
    if (view(what) == "searching" && done == 2) static_cast<Stop*>(ctx)->now = true;
  };
  hooks.is_cancelled = [](void* ctx) -> std::int32_t { return static_cast<Stop*>(ctx)->now; };
  const std::string text = request("[search]\nn = 2\n") + to("found");
  EXPECT_EQ(call(hnhost_search, text, &hooks), HN_CANCELLED);
  EXPECT_THAT(error_.text(), HasSubstr("stopped at prompt 2 of 3"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "found/parts/01.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "found/search.json"));
  // What is finished is not done again.
  const auto written = std::filesystem::last_write_time(folder_ / "found/parts/00.safetensors");
  stop.now = false;
  hooks.on_progress = nullptr;
  hooks.is_cancelled = nullptr;
  ASSERT_EQ(call(hnhost_search, text, &hooks), HN_OK) << error_.text();
  EXPECT_EQ(answer_.at("rows").size(), 3u);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "found/parts"));
  EXPECT_LE(written, std::filesystem::last_write_time(folder_ / "found/search.json"));
}

TEST_F(SearchApi, ADamagedPartIsNamed) {
  const std::string text = request("[search]\nn = 2\n") + to("found");
  ASSERT_EQ(call(hnhost_search, text), HN_OK);
  std::filesystem::remove(folder_ / "found/search.json");
  std::filesystem::create_directories(folder_ / "found/parts");
  write_text(folder_ / "found/parts/00.safetensors", "no tensors");
  EXPECT_EQ(call(hnhost_search, text), HN_DATA_LOSS);
  EXPECT_THAT(error_.text(), HasSubstr("00.safetensors"));
}

TEST_F(SearchApi, AMissingGradientIsNamed) {
  EXPECT_EQ(call(hnhost_search, request("[search]\nmethod = \"reno\"\n") + to("found")),
            HN_UNSUPPORTED);
  EXPECT_THAT(error_.text(), HasSubstr("noise_gradient"));
}

TEST_F(SearchApi, BadRequestsAreNamed) {
  const auto refused = [&](Call function, const std::string& text, const char* what) {
    EXPECT_EQ(call(function, text), HN_INVALID_ARGUMENT) << what;
    EXPECT_THAT(error_.text(), HasSubstr(what));
  };
  refused(hnhost_search, request(), "expected out_dir");
  refused(hnhost_search, request() + to("x") + "colour = 1\n", "colour");
  refused(hnhost_search, request("[search]\nmethod = \"luck\"\n") + to("x"), "expected one of");
  refused(hnhost_search, request("[search]\nn = 0\n") + to("x"), "expected 1 to");
  refused(hnhost_search, "config = 'generator = \"gen\"'\n" + to("x"),
          "[search] expected a reward to search for");
  refused(hnhost_search, request() + to("x") + "prompts_file = \"p.txt\"\n",
          "[search] expected prompts or a file of them, got both");
  refused(hnhost_headroom, request() + "seeds = 1\n", "expected 2 to");
  refused(hnhost_headroom, request() + to("x"), "out_dir");
  refused(hnhost_headroom, request() + "count = 1\n", "at least 2 prompts, got 1");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "x"));
}

}  // namespace
}  // namespace hn::host
