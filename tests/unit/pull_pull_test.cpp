// The whole job, from a hub that behaves and from one that does not.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "pull/licence.hpp"
#include "pull/snapshot.hpp"
#include "unit/pull_support.hpp"

namespace hn::pull::test {
namespace {

std::string big_path(const HubRequest& r) {
  return r.is_body() && r.path.ends_with("w.safetensors") ? r.path : "";
}

HubReply answers(int status, std::map<std::string, std::string> headers = {}) {
  HubReply reply;
  reply.status = status;
  reply.headers = std::move(headers);
  return reply;
}

TEST_F(PullTest, WritesTheLayoutThatPythonReads) {
  const ordered_json answer = run();
  expect_whole();
  EXPECT_EQ(answer.at("commit"), FakeHub::kCommit);
  EXPECT_EQ(answer.at("weights"), snapshot().string());
  EXPECT_EQ(answer.at("downloaded_bytes"), big_.size() + 8);
  EXPECT_EQ(answer.at("files").at(1).at("verified"), "sha256");
  EXPECT_EQ(read(repo() / "refs/main"), FakeHub::kCommit);
  const fs::path link = snapshot() / "unet/w.safetensors";
  ASSERT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(fs::read_symlink(link), "../../../blobs/" + hub_.etag("unet/w.safetensors"));
  EXPECT_TRUE(
      fs::exists(places_.cache / ".locks/models--o--n" / (hub_.etag("config.json") + ".lock")));
  EXPECT_GE(hub_.bodies(), 6u) << "five parts of the large file and the small one";
}

TEST_F(PullTest, WhatIsThereIsNotFetchedAgain) {
  run();
  const std::size_t before = hub_.bodies();
  const ordered_json answer = run();
  EXPECT_EQ(hub_.bodies(), before);
  EXPECT_EQ(answer.at("downloaded_bytes"), 0);
  EXPECT_EQ(answer.at("files").at(0).at("state"), "present");
}

TEST_F(PullTest, ADryRunWritesNothing) {
  request_.dry_run = true;
  const ordered_json plan = run();
  EXPECT_EQ(plan.at("missing_bytes"), big_.size() + 8);
  EXPECT_EQ(hub_.bodies(), 0u);
  EXPECT_FALSE(fs::exists(places_.cache));
}

TEST_F(PullTest, GitSumsOfSmallFilesAreChecked) {
  // git hash-object of {"a": 1}
  hub_.etags["config.json"] = "7e3852b29f12cfabcd97daf14e1ef77ba7f37d53";
  const std::string text = fails(HN_DATA_LOSS);
  EXPECT_THAT(text, HasSubstr("expected git-sha1 7e3852b29f12cfabcd97daf14e1ef77ba7f37d53, got "));
  hub_.etags["config.json"] = text.substr(text.find("got ") + 4, 40);
  run();
  expect_whole();
}

TEST_F(PullTest, CutConnectionsGoOnWhereTheyWere) {
  std::atomic<int> cuts = 0;
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (big_path(r).empty() || cuts++ >= 9) return std::nullopt;
    HubReply reply = hub_.proper(r);
    reply.cut_after = 20'000;
    return reply;
  };
  run();
  expect_whole();
  bool resumed = false;
  for (const auto& r : hub_.requests())
    resumed = resumed || r.header("range").starts_with("bytes=20000-");
  EXPECT_TRUE(resumed);
}

TEST_F(PullTest, WithoutProgressItEndsWithTheReason) {
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (big_path(r).empty()) return std::nullopt;
    HubReply reply = hub_.proper(r);
    reply.cut_after = 0;
    return reply;
  };
  EXPECT_THAT(fails(HN_INTERNAL),
              AllOf(HasSubstr("unet/w.safetensors: cut: "), HasSubstr("4 times in a row")));
}

TEST_F(PullTest, WrongBytesAreThrownAwayAndFetchedOnceMore) {
  std::atomic<int> bad = 0;
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (big_path(r).empty() || bad++ > 0) return std::nullopt;
    HubReply reply = hub_.proper(r);
    reply.body[100] = static_cast<char>(reply.body[100] ^ 1);
    return reply;
  };
  run();
  expect_whole();
  EXPECT_THAT(notes(), HasSubstr("it is thrown away and fetched again"));
}

TEST_F(PullTest, WrongBytesTwiceAreAnError) {
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (big_path(r).empty()) return std::nullopt;
    HubReply reply = hub_.proper(r);
    reply.body[0] = static_cast<char>(reply.body[0] ^ 1);
    return reply;
  };
  EXPECT_THAT(fails(HN_DATA_LOSS), AllOf(HasSubstr("unet/w.safetensors: expected sha256 " +
                                                   hub_.etag("unet/w.safetensors")),
                                         HasSubstr("thrown away, 2 times")));
  EXPECT_EQ(blobs(), 1u) << "only config.json";
  EXPECT_FALSE(fs::exists(snapshot() / "unet/w.safetensors"));
}

TEST_F(PullTest, SumsOfTheListAreCheckedBeforeAnythingIsFetched) {
  const std::string other(64, 'a');
  EXPECT_THAT(fails(HN_DATA_LOSS, std::string(kList) +
                                      "[models.known.\"unet/w.safetensors\"]\nsha256 = \"" + other +
                                      "\"\n"),
              AllOf(HasSubstr("the list of weights says sha256 " + other),
                    HasSubstr("the server has " + hub_.etag("unet/w.safetensors"))));
  EXPECT_EQ(hub_.bodies(), 0u);
}

TEST_F(PullTest, ServersWithoutRangesAreServedWhole) {
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    HubRequest plain = r;
    plain.headers.erase("range");
    return hub_.proper(plain);
  };
  run();
  expect_whole();
  EXPECT_THAT(notes(), HasSubstr("sends whole files only"));
}

TEST_F(PullTest, ARangeThatTheServerRefusesStartsAnew) {
  std::atomic<int> refused = 0;
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (big_path(r).empty() || refused++ > 0) return std::nullopt;
    return answers(416);
  };
  run();
  expect_whole();
  EXPECT_THAT(notes(), HasSubstr("(416)"));
}

TEST_F(PullTest, LiesAboutTheSizeAreFound) {
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (r.method != "HEAD" || !r.path.ends_with("w.safetensors")) return std::nullopt;
    HubReply reply = hub_.proper(r);
    reply.headers["X-Linked-Size"] = "300001";
    return reply;
  };
  EXPECT_THAT(fails(HN_DATA_LOSS), HasSubstr("the server announced 300001 bytes and then 300000"));
}

TEST_F(PullTest, BodiesWithoutLengthAndInChunks) {
  for (const bool chunked : {false, true}) {
    fs::remove_all(places_.cache);
    hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
      HubReply reply = hub_.proper(r);
      reply.headers.erase("X-Linked-Size");
      if (r.method == "HEAD") reply.no_length = true;
      if (r.is_body()) (chunked ? reply.chunked : reply.no_length) = true;
      return reply;
    };
    run();
    expect_whole();
  }
}

TEST_F(PullTest, TheTokenStaysWithItsHost) {
  places_.token = "secret";
  std::atomic<int> with_token = 0, moved = 0;
  hn::test::LoopbackServer elsewhere([&](const HubRequest& r) {
    ++moved;
    with_token += r.header("authorization").empty() ? 0 : 1;
    return hub_.proper(r);
  });
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (r.path.find("w.safetensors") == std::string::npos) return std::nullopt;
    HubReply reply;
    reply.status = 302;
    reply.headers = {{"Location", elsewhere.url() + r.path},
                     {"X-Linked-Etag", "\"" + hub_.etag("unet/w.safetensors") + "\""},
                     {"X-Linked-Size", std::to_string(big_.size())}};
    return reply;
  };
  run();
  expect_whole();
  EXPECT_GT(moved, 0);
  EXPECT_EQ(with_token, 0);
  for (const auto& r : hub_.requests()) EXPECT_EQ(r.header("authorization"), "Bearer secret");
}

TEST_F(PullTest, RedirectsWithoutEndAreAnError) {
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    return answers(307, {{"Location", r.path}});
  };
  EXPECT_THAT(fails(HN_DATA_LOSS), HasSubstr("more than 10 redirects"));
}

struct Refusal {
  int status;
  const char* error_code;
  hn_status code;
  std::vector<std::string> text;
};

TEST_F(PullTest, RefusalsSayWhatToDo) {
  const std::string page = hub_.url() + "/o/n";
  const std::vector<Refusal> refusals = {
      {401, "", HN_UNSUPPORTED, {"wants a token (401)", "/settings/tokens", "HF_TOKEN"}},
      {401, "RepoNotFound", HN_NOT_FOUND, {"does not exist", "private"}},
      {401, "GatedRepo", HN_UNSUPPORTED, {"is gated", "accept its terms at " + page, "HF_TOKEN"}},
      {403, "GatedRepo", HN_UNSUPPORTED, {"is gated (403)", "accept its terms at " + page}},
      {403, "", HN_UNSUPPORTED, {"accept its terms at " + page}},
      {404, "RevisionNotFound", HN_NOT_FOUND, {"revision main: there is no such revision"}},
      {404, "", HN_NOT_FOUND, {"not found (404)"}},
      {410, "", HN_INTERNAL, {"the server answered 410"}},
  };
  for (const Refusal& refusal : refusals) {
    hub_.fault = [&](const HubRequest&) -> std::optional<HubReply> {
      HubReply reply = answers(refusal.status, {{"X-Error-Message", "because"}});
      if (*refusal.error_code != 0) reply.headers["X-Error-Code"] = refusal.error_code;
      return reply;
    };
    const std::string text = fails(refusal.code);
    EXPECT_THAT(text, AllOf(HasSubstr("[pull o/n]"), HasSubstr("(the server says: because)")));
    for (const std::string& part : refusal.text) EXPECT_THAT(text, HasSubstr(part));
  }
  places_.token = "secret";
  hub_.fault = [](const HubRequest&) -> std::optional<HubReply> { return answers(401); };
  EXPECT_THAT(fails(HN_UNSUPPORTED), HasSubstr("the token in use may not read it"));
}

TEST_F(PullTest, AFileThatIsGoneIsNamed) {
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (r.method != "HEAD" || !r.path.ends_with("config.json")) return std::nullopt;
    return answers(404, {{"X-Error-Code", "EntryNotFound"}});
  };
  EXPECT_THAT(fails(HN_NOT_FOUND), HasSubstr("config.json: there is no such file (404)"));
}

TEST_F(PullTest, BusyServersAreAskedAgain) {
  std::atomic<int> count = 0;
  const std::vector<int> statuses = {429, 500, 502, 503};
  hub_.fault = [&](const HubRequest&) -> std::optional<HubReply> {
    const auto n = static_cast<std::size_t>(count++);
    if (n % 4 == 3 || n > 24) return std::nullopt;
    HubReply reply;
    reply.status = statuses[n % statuses.size()];
    if (reply.status == 429) reply.headers["Retry-After"] = "0";
    return reply;
  };
  run();
  expect_whole();
}

TEST_F(PullTest, RetryAfterIsWaitedFor) {
  std::atomic<int> count = 0;
  hub_.fault = [&](const HubRequest&) -> std::optional<HubReply> {
    if (count++ > 0) return std::nullopt;
    return answers(429, {{"Retry-After", "1"}});
  };
  const auto begin = std::chrono::steady_clock::now();
  run();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(950));
  EXPECT_THAT(notes(), HasSubstr("the server answered 429; again in 1 s"));
}

TEST_F(PullTest, NamesThatLeaveTheFolderAreRefused) {
  for (const std::string name :
       {"../evil", "/etc/passwd", "a/../../b", "a//b", "a\\\\b", "./c", ""}) {
    hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
      if (!r.path.starts_with("/api/")) return std::nullopt;
      HubReply reply;
      reply.body = "{\"sha\":\"" + std::string(FakeHub::kCommit) +
                   "\",\"siblings\":[{\"rfilename\":\"" + name + "\"}]}";
      return reply;
    };
    EXPECT_THAT(fails(HN_DATA_LOSS), HasSubstr("would leave the snapshot's folder")) << name;
  }
  EXPECT_FALSE(fs::exists(places_.cache));
}

TEST_F(PullTest, SumsThatAreNoFileNamesAreRefused) {
  hub_.etags["config.json"] = "../../x";
  EXPECT_THAT(fails(HN_DATA_LOSS), HasSubstr("which cannot be a file's name"));
}

TEST_F(PullTest, ListingsThatAreNotOnesAreErrors) {
  for (const auto& [body, text] : std::map<std::string, std::string>{
           {"<html>", "api/models/o/n"},
           {"{\"sha\": \"main\", \"siblings\": []}", "a commit of 40 hex digits"}}) {
    hub_.fault = [&, body = body](const HubRequest&) -> std::optional<HubReply> {
      HubReply reply;
      reply.body = body;
      return reply;
    };
    EXPECT_THAT(fails(HN_DATA_LOSS), HasSubstr(text));
  }
}

TEST_F(PullTest, PatternsThatMatchNothingAreNamed) {
  EXPECT_THAT(fails(HN_NOT_FOUND, host::testing::replaced(kList, "config.json", "confg.json")),
              AllOf(HasSubstr("has no file that is 'confg.json'"),
                    HasSubstr("did you mean 'config.json'")));
}

TEST_F(PullTest, TwoAtOnceFetchOnce) {
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (big_path(r).empty()) return std::nullopt;
    HubReply reply = hub_.proper(r);
    reply.pause_ms = 5;
    return reply;
  };
  const WeightsList both = list();
  const auto one = [&] { pull(both, places_, request_, http_module(HN_HTTP_MODULE), services_); };
  { std::jthread first(one), second(one); }
  expect_whole();
  EXPECT_EQ(hub_.bodies(), 6u);
}

TEST_F(PullTest, StoppedPullsGoOn) {
  std::atomic<bool> stop = false;
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (big_path(r).empty()) return std::nullopt;
    // The last part never comes, so that no machine is fast enough to be done before the stop.
    std::size_t first = 0;
    std::sscanf(r.header("range").c_str(), "bytes=%zu-", &first);
    if (first < std::size_t{4 * 65536}) return std::nullopt;
    for (int i = 0; i < 1000 && !stop; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    HubReply reply = hub_.proper(r);
    reply.cut_after = 0;
    return reply;
  };
  services_.cancelled = [&] { return stop.load(); };
  services_.progress = [&](std::string_view what, std::uint64_t done, std::uint64_t) {
    if (what == "unet/w.safetensors" && done > 60'000) stop = true;
  };
  EXPECT_THAT(fails(HN_CANCELLED), HasSubstr("what is there is kept, pull again to go on"));
  const fs::path blob = repo() / "blobs" / hub_.etag("unet/w.safetensors");
  ASSERT_TRUE(fs::exists(blob.string() + ".hn.incomplete"));
  const auto note = nlohmann::json::parse(read(blob.string() + ".hn.parts"));
  std::uint64_t kept = 0;
  for (const auto& done : note.at("done")) kept += done.get<std::uint64_t>();
  EXPECT_GT(kept, 50'000u);
  EXPECT_LT(kept, big_.size());

  stop = false;
  services_.progress = {};
  std::atomic<std::size_t> sent = 0;
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (!big_path(r).empty()) sent += hub_.proper(r).body.size();
    return std::nullopt;
  };
  run();
  expect_whole();
  EXPECT_EQ(sent, big_.size() - kept);
}

TEST_F(PullTest, DamagedNotesAreForgotten) {
  const fs::path blob = repo() / "blobs" / hub_.etag("unet/w.safetensors");
  for (const std::string note : {"", "{", "{\"bytes\":300000,\"part_bytes\":65536,\"done\":[1]}",
                                 "{\"bytes\":300000,\"part_bytes\":1,\"done\":[]}",
                                 "{\"bytes\":300000,\"part_bytes\":-4,\"done\":[0]}",
                                 "{\"bytes\":300000,\"part_bytes\":0,\"done\":[300001]}"}) {
    fs::remove_all(places_.cache);
    write_text(blob.string() + ".hn.parts", note);
    write_text(blob.string() + ".hn.incomplete", "junk");
    run();
    expect_whole();
  }
}

TEST_F(PullTest, UnfinishedFilesOfOlderPythonAreTakenOver) {
  const fs::path blob = repo() / "blobs" / hub_.etag("unet/w.safetensors");
  write_text(blob.string() + ".incomplete", big_.substr(0, 200'000));
  std::atomic<std::size_t> sent = 0;
  hub_.fault = [&](const HubRequest& r) -> std::optional<HubReply> {
    if (!big_path(r).empty()) sent += hub_.proper(r).body.size();
    return std::nullopt;
  };
  run();
  expect_whole();
  EXPECT_EQ(sent, 100'000u);
}

TEST_F(PullTest, DamagedBlobsAreFoundByVerify) {
  run();
  const fs::path blob = repo() / "blobs" / hub_.etag("config.json");
  write_text(blob, "{\"a\": 2}");
  EXPECT_EQ(run().at("files").at(0).at("state"), "present") << "the size is right";
  request_.verify = true;
  EXPECT_EQ(run().at("files").at(0).at("state"), "downloaded");
  expect_whole();
  request_.verify = false;
  write_text(blob, "{");
  EXPECT_EQ(run().at("files").at(0).at("state"), "downloaded") << "the size is wrong";
}

TEST_F(PullTest, FullDisksAreSaidBefore) {
  request_.free_bytes = [](const fs::path&) { return std::uint64_t{1000}; };
  EXPECT_THAT(fails(HN_INTERNAL),
              AllOf(HasSubstr("needs 300008 bytes"), HasSubstr("where 1000 are free"),
                    HasSubstr("HF_HUB_CACHE")));
  EXPECT_EQ(hub_.bodies(), 0u);
}

TEST_F(PullTest, DisksThatFillMeanwhileAreNamed) {
  // The file size limit makes the system refuse as a full disk does.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 100'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const std::string text = fails(HN_INTERNAL);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(text,
              AllOf(HasSubstr(".hn.incomplete needs 300000 bytes"), HasSubstr("File too large")));
  run();
  expect_whole();
}

TEST_F(PullTest, FoldersThatCannotBeMadeAreNamed) {
  write_text(folder_ / "hub", "a file");
  EXPECT_THAT(fails(HN_INTERNAL), HasSubstr("cannot be made"));
}

TEST_F(PullTest, LicencesAreAskedOnceAndRecorded) {
  const std::string strict =
      host::testing::replaced(kList, "licence = \"Apache-2.0\"\npermissive = true",
                              "licence = \"Strict\"\nlicence_url = \"https://l\"");
  EXPECT_THAT(fails(HN_UNSUPPORTED, strict),
              AllOf(HasSubstr("its licence, Strict (https://l), has to be accepted"),
                    HasSubstr("--accept-licence")));
  EXPECT_TRUE(hub_.requests().empty());
  request_.dry_run = true;
  EXPECT_EQ(run(strict).at("licence").at("accepted"), false);
  request_.dry_run = false;
  request_.accept_licence = true;
  EXPECT_EQ(run(strict).at("licence").at("accepted"), true);
  const auto records = nlohmann::json::parse(read(repo() / "hn-licences.json"));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].at("licence"), "Strict");
  EXPECT_EQ(records[0].at("accepted"), "by the user");
  EXPECT_EQ(records[0].at("commit"), FakeHub::kCommit);
  request_.accept_licence = false;
  run(strict);
  EXPECT_EQ(nlohmann::json::parse(read(repo() / "hn-licences.json")).size(), 1u);
  write_text(repo() / "hn-licences.json", "{}");
  EXPECT_THAT(fails(HN_DATA_LOSS, strict), HasSubstr("expected a list of licences"));
}

// Two repositories on one hub: the model's, and that of a part.
constexpr const char* kPart =
    "[[models.parts]]\noption = \"tower\"\nrepo = \"p/q\"\nfiles = [\"README.md\"]\n"
    "weights = \"README.md\"\nlicence = \"Other\"\nlicence_url = \"https://p\"\n";

TEST_F(PullTest, PartsComeFromTheirOwnRepositories) {
  const std::string both = std::string(kList) + kPart;
  request_.accept_licence = true;
  const ordered_json answer = run(both);
  EXPECT_EQ(answer.at("model"), "tiny");
  EXPECT_EQ(answer.at("bytes"), 300'010);
  EXPECT_EQ(answer.at("downloaded_bytes"), 300'010);
  ASSERT_EQ(answer.at("parts").size(), 1u);
  const auto& part = answer.at("parts").at(0);
  EXPECT_EQ(part.at("option"), "tower");
  EXPECT_EQ(part.at("repo"), "p/q");
  EXPECT_EQ(part.at("bytes"), 2);
  const fs::path other = places_.cache / "models--p--q" / "snapshots" / FakeHub::kCommit;
  EXPECT_EQ(part.at("weights"), (other / "README.md").string());
  EXPECT_EQ(read(other / "README.md"), "no");
  EXPECT_FALSE(fs::exists(snapshot() / "README.md"));
  // Both are found again, and only together.
  const WeightsList models = list(both);
  const auto found = find_snapshot(models.need("tiny"), places_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->options.at("tower"), other / "README.md");
  EXPECT_EQ(pull_offline(models, places_, request_).at("parts").at(0).at("weights"),
            (other / "README.md").string());
  fs::remove(other / "README.md");
  std::vector<std::string> missing;
  EXPECT_FALSE(find_snapshot(models.need("tiny"), places_, &missing));
  EXPECT_THAT(missing, ::testing::ElementsAre("p/q README.md"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { pull_offline(models, places_, request_); }),
              HasSubstr("p/q README.md"));
}

TEST_F(PullTest, PartsHaveLicencesOfTheirOwn) {
  const std::string both = std::string(kList) + kPart;
  EXPECT_THAT(fails(HN_UNSUPPORTED, both), HasSubstr("its licence, Other (https://p)"));
  EXPECT_TRUE(hub_.requests().empty()) << "nothing is asked before every licence is settled";
  request_.dry_run = true;
  const ordered_json plan = run(both);
  EXPECT_EQ(plan.at("missing_bytes"), 300'010);
  EXPECT_EQ(plan.at("licence").at("accepted"), true);
  EXPECT_EQ(plan.at("parts").at(0).at("licence").at("accepted"), false);
  EXPECT_EQ(hub_.bodies(), 0u);
}

TEST_F(PullTest, PartsCountForTheRoom) {
  request_.accept_licence = true;
  request_.free_bytes = [](const fs::path&) { return std::uint64_t{300'009}; };
  EXPECT_THAT(fails(HN_INTERNAL, std::string(kList) + kPart), HasSubstr("needs 300010 bytes"));
  EXPECT_EQ(hub_.bodies(), 0u);
}

TEST_F(PullTest, AVariantIsTheModelsOwn) {
  request_.accept_licence = true;
  request_.variant = "small";
  const ordered_json answer =
      run(std::string(kList) + "[models.variants]\nsmall = [\"config.json\"]\n" + kPart);
  EXPECT_EQ(answer.at("variant"), "small");
  EXPECT_EQ(answer.at("parts").at(0).at("variant"), "");
}

TEST_F(PullTest, SnapshotsAreFoundAfterwards) {
  const WeightsList models = list();
  std::vector<std::string> missing;
  EXPECT_FALSE(find_snapshot(models.need("t"), places_, &missing));
  EXPECT_THAT(missing, ::testing::ElementsAre("config.json", "unet/*.safetensors"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { pull_offline(models, places_, request_); }),
              AllOf(HasSubstr("offline (HF_HUB_OFFLINE)"),
                    HasSubstr("lacks of o/n: config.json, unet/*.safetensors")));
  run();
  ASSERT_TRUE(find_snapshot(models.need("tiny"), places_));
  EXPECT_EQ(find_snapshot(models.need("tiny"), places_)->weights, snapshot());
  EXPECT_EQ(pull_offline(models, places_, request_).at("commit"), FakeHub::kCommit);
  // A shard that an index names and that is not there.
  write_text(snapshot() / "unet/x.safetensors.index.json",
             "{\"weight_map\": {\"a\": \"w.safetensors\", \"b\": \"x-2.safetensors\"}}");
  const WeightsList sharded = list(host::testing::replaced(kList, "unet/*.safetensors", "unet/*"));
  EXPECT_FALSE(find_snapshot(sharded.need("tiny"), places_, &missing));
  EXPECT_THAT(missing, ::testing::ElementsAre("unet/x-2.safetensors"));
  // A link whose blob is gone.
  fs::remove(repo() / "blobs" / hub_.etag("config.json"));
  EXPECT_FALSE(find_snapshot(models.need("tiny"), places_, &missing));
}

}  // namespace
}  // namespace hn::pull::test
