// What lies in the cache: folders without links, odd names, sums compared again.
#include "pull/snapshot.hpp"
#include "pull/verify.hpp"
#include "unit/pull_support.hpp"

namespace hn::pull::test {
namespace {

// Where links are switched off the files themselves stand in the snapshot, as huggingface_hub puts
// them there, and are found again.
TEST_F(PullTest, WithoutSymbolicLinksFilesStandInTheSnapshot) {
  places_.symlinks = false;
  run();
  EXPECT_FALSE(fs::is_symlink(snapshot() / "config.json"));
  EXPECT_EQ(read(snapshot() / "unet/w.safetensors"), big_);
  EXPECT_EQ(blobs(), 0u) << "moved, not copied";
  const std::size_t before = hub_.bodies();
  EXPECT_EQ(run().at("downloaded_bytes"), 0);
  EXPECT_EQ(hub_.bodies(), before);
  ASSERT_TRUE(find_snapshot(list().need("tiny"), places_));
  // A damaged one is found and fetched again.
  write_text(snapshot() / "config.json", "{\"a\": 2}");
  request_.verify = true;
  EXPECT_EQ(run().at("files").at(0).at("state"), "downloaded");
  EXPECT_EQ(read(snapshot() / "config.json"), "{\"a\": 1}");
  // With links again: what is there is taken as it is.
  places_.symlinks = true;
  EXPECT_EQ(run().at("files").at(1).at("state"), "present");
}

TEST_F(PullTest, BlobsOfOthersAreCopiedWithoutLinks) {
  run();
  places_.symlinks = false;
  EXPECT_EQ(run().at("downloaded_bytes"), 0);
  EXPECT_FALSE(fs::is_symlink(snapshot() / "config.json"));
  expect_whole();
}

TEST_F(PullTest, RevisionsAreOnePartOfTheAddress) {
  request_.revision = "refs/pr/1";
  run();
  EXPECT_EQ(hub_.requests().front().path, "/api/models/o/n/revision/refs%2Fpr%2F1");
  EXPECT_EQ(read(repo() / "refs/refs/pr/1"), FakeHub::kCommit);
  request_.revision = "a b#c?d%";
  run();
  bool asked = false;
  for (const HubRequest& r : hub_.requests())
    asked = asked || r.path == "/api/models/o/n/revision/a%20b%23c%3Fd%25";
  EXPECT_TRUE(asked);
  request_.revision = "../../x";
  EXPECT_THAT(fails(HN_INVALID_ARGUMENT), HasSubstr("expected a branch, a tag or a commit"));
}

TEST(PullNames, FilesWithOddNamesAreFetched) {
  FakeHub hub({{"a b/c#d?e%.json", "1"}, {"ü+.json", "2"}});
  host::testing::TempFolder folder;
  HubPlaces places;
  places.cache = folder / "hub";
  places.endpoint = hub.url();
  PullRequest request;
  request.model = "tiny";
  write_text(folder / "list.toml",
             "schema = 1\n[[models]]\nname = \"tiny\"\nrepo = \"o/n\"\nfiles = [\"*\"]\n"
             "licence = \"L\"\npermissive = true\n");
  pull(WeightsList::read({folder / "list.toml"}), places, request, http_module(HN_HTTP_MODULE), {});
  const fs::path snapshot = places.cache / "models--o--n/snapshots" / FakeHub::kCommit;
  EXPECT_EQ(read(snapshot / "a b/c#d?e%.json"), "1");
  EXPECT_EQ(read(snapshot / "ü+.json"), "2");
}

// One flipped byte in each kind of file.
TEST_F(PullTest, VerifyComparesEverySumThatIsKnown) {
  // git hash-object of {"a": 1}: what the hub gives for small files.
  hub_.etags["config.json"] = "7e3852b29f12cfabcd97daf14e1ef77ba7f37d53";
  const std::string text = fails(HN_DATA_LOSS);
  hub_.etags["config.json"] = text.substr(text.find("got ") + 4, 40);
  run();
  write_text(snapshot() / "notes.txt", "mine");
  const auto row = [](const ordered_json& answer, const std::string& file) {
    for (const auto& each : answer.at("files"))
      if (each.at("file") == file) return each;
    ADD_FAILURE() << file << " in " << answer.dump();
    return ordered_json();
  };
  ordered_json answer = verify(snapshot(), list());
  EXPECT_EQ(answer.at("right"), 2);
  EXPECT_EQ(answer.at("wrong"), 0);
  EXPECT_EQ(answer.at("unknown"), 1);
  EXPECT_EQ(row(answer, "config.json").at("kind"), "git-sha1");
  EXPECT_EQ(row(answer, "unet/w.safetensors").at("kind"), "sha256");
  EXPECT_EQ(row(answer, "unet/w.safetensors").at("by"), "cache");
  EXPECT_EQ(row(answer, "notes.txt").at("state"), "unknown");
  EXPECT_EQ(row(answer, "notes.txt").at("got"), hn::test::sha256_of("mine"));
  EXPECT_EQ(verify(snapshot() / "unet/w.safetensors", list()).at("right"), 1) << "one file alone";

  const auto flip = [](const fs::path& file, std::size_t at) {
    std::string bytes = read(file);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    write_text(file, bytes);
  };
  for (const char* file : {"config.json", "unet/w.safetensors"}) {
    flip(snapshot() / file, 3);
    answer = verify(snapshot(), list());
    EXPECT_EQ(answer.at("wrong"), 1);
    EXPECT_THAT(row(answer, file).at("problem").get<std::string>(),
                HasSubstr("expected " + row(answer, file).at("kind").get<std::string>() + " " +
                          hub_.etag(file)));
    flip(snapshot() / file, 3);
  }
  fs::remove(repo() / "blobs" / hub_.etag("unet/w.safetensors"));
  answer = verify(snapshot(), list());
  EXPECT_THAT(row(answer, "unet/w.safetensors").at("problem").get<std::string>(),
              HasSubstr("which is gone"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { verify(folder_ / "none", list()); }),
              HasSubstr("does not exist"));
}

TEST_F(PullTest, VerifyKnowsWhatTheListStates) {
  const std::string known = std::string(kList) +
                            "[models.known.\"unet/w.safetensors\"]\nsha256 = \"" +
                            hub_.etag("unet/w.safetensors") + "\"\n";
  places_.symlinks = false;
  run(known);
  ordered_json answer = verify(snapshot(), list(known));
  EXPECT_EQ(answer.at("right"), 1) << "the snapshot's own file, which no name tells of";
  EXPECT_EQ(answer.at("unknown"), 1);
  // A copy anywhere, by its sum alone.
  fs::copy_file(snapshot() / "unet/w.safetensors", folder_ / "copy.safetensors");
  answer = verify(folder_ / "copy.safetensors", list(known));
  EXPECT_EQ(answer.at("files").at(0).at("name"), "o/n: unet/w.safetensors");
  std::string bytes = big_;
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_text(snapshot() / "unet/w.safetensors", bytes);
  answer = verify(snapshot(), list(known));
  EXPECT_EQ(answer.at("wrong"), 1);
  EXPECT_EQ(answer.at("files").at(1).at("by"), "list");
}

}  // namespace
}  // namespace hn::pull::test
