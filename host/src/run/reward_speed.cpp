#include "run/reward_speed.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>
#include <thread>

#include "apart/helper.hpp"
#include "config/ranges.hpp"
#include "report/summary.hpp"
#include "support/files.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr std::chrono::seconds kLimit{600};

struct Request {
  std::vector<std::string> rewards;
  std::map<std::string, std::string> weights;
  std::int64_t threads = 0, size = 224;
  double seconds = 1;
};

Request parse(std::string_view text) {
  auto table = host::TomlTable::parse(text, "measure request");
  Request r;
  r.rewards = table.find_list("rewards").value_or(std::vector<std::string>{});
  if (auto weights = table.find_table("weights")) {
    for (const std::string& name : weights->keys()) r.weights[name] = weights->need_str(name);
    weights->finish();
  }
  r.threads = table.find_i64("threads", 0, host::kMostThreads).value_or(0);
  r.size = table.find_i64("size", 1, 4096).value_or(224);
  r.seconds = table.find_f64("seconds").value_or(1);
  if (!(r.seconds > 0) || r.seconds > 600) table.fail("seconds", "expected above 0, at most 600");
  table.finish();
  return r;
}

Json read_cache() {
  try {
    Json cache = read_json_file(speed_file());
    return cache.is_object() ? cache : Json::object();
  } catch (const std::exception&) {
    return Json::object();
  }
}

// Milliseconds a picture: the least of several calls, which other work on the machine disturbs
// least.
double milliseconds(double seconds, std::int64_t batch, const std::function<void()>& call) {
  call();  // warm: buffers, kernels, the prompt
  double least = 1e300;
  const auto begin = Clock::now();
  for (int i = 0; i < 3 || std::chrono::duration<double>(Clock::now() - begin).count() < seconds;
       ++i) {
    const auto start = Clock::now();
    call();
    least =
        std::min(least, std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return least / static_cast<double>(batch);
}

core::ScoreRequest some_pictures(std::int64_t batch, std::int64_t size) {
  core::ScoreRequest request;
  request.images.shape = {batch, 3, size, size};
  request.images.data.resize(static_cast<std::size_t>(batch * 3 * size * size));
  std::uint32_t state = 1;
  for (float& value : request.images.data) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / 16777216.0f;
  }
  request.prompts.assign(static_cast<std::size_t>(batch), core::Prompt("a red balloon"));
  request.batch = batch;
  return request;
}

Json measured(host::Host& host, const std::string& name, const Request& r) {
  host::RunConfig config;
  host::RewardConfig reward;
  reward.name = name;
  reward.train = false;
  if (const auto at = r.weights.find(name); at != r.weights.end()) reward.weights = at->second;
  config.rewards = {reward};
  config.net.kind = core::NetKind::kNone;
  config.threads = r.threads;
  host::resolve_config(config, host.registry());
  core::SessionSpec spec = host::session_spec(config, host.registry());
  const host::Choice choice = host.registry().reward(name);
  spec.rewards[0].plugin = host.open_plugin(*choice.plugin, spec.rewards[0].plugin.place);
  const auto begin = Clock::now();
  core::Services silent;
  const auto session = host.core().open_session(std::move(spec), silent);
  Json row = {{"size", r.size},
              {"threads", r.threads},
              {"load_seconds", std::chrono::duration<double>(Clock::now() - begin).count()}};
  for (const std::int64_t batch : {1, 8}) {
    core::ScoreRequest request = some_pictures(batch, r.size);
    const std::string suffix = "_ms_batch" + std::to_string(batch);
    row["forward" + suffix] = milliseconds(r.seconds, batch, [&] { session->score(request); });
    if (!choice.plugin->differentiable) continue;
    request.want_grad = true;
    row["forward_backward" + suffix] =
        milliseconds(r.seconds, batch, [&] { session->score(request); });
  }
  row["peak_memory_bytes"] = peak_memory_bytes();
  return row;
}

// In a process of its own: its peak of memory is then the reward's, and a crash is a row.
Json measured_apart(const host::Host& host, const std::string& name, const Request& r,
                    const core::Services& services) {
  using Heard = apart::Channel::Heard;
  apart::Helper helper("measure", Json{{"plugin_paths", host.plugin_paths()},
                                       {"core_file", host.core_file().string()},
                                       {"core_libtorch", host.core_libtorch()},
                                       {"name", name},
                                       {"weights", r.weights},
                                       {"threads", r.threads},
                                       {"size", r.size},
                                       {"seconds", r.seconds}}
                                      .dump());
  const auto until = Clock::now() + kLimit;
  std::string line;
  while (Clock::now() < until) {
    if (services.cancelled && services.cancelled())
      throw Error(HN_CANCELLED, "[measure] stopped by the user");
    const Heard heard = helper.listen(std::chrono::milliseconds(100), line);
    if (heard == Heard::kLine) return Json::parse(line);
    if (heard == Heard::kEnd)
      return {{"error", "the plugin ended the process: " + helper.how_it_ended()}};
  }
  return {{"error", "did not finish within " + std::to_string(kLimit.count()) + " s"}};
}

Json& entry(Json& cache, const Json& row) {
  return cache[machine_name()]
              [row.at("name").get<std::string>() + "@" + row.at("version").get<std::string>()];
}

Json with_speed(Json rows, Json cache) {
  for (Json& row : rows) row["measured"] = entry(cache, row);
  return {{"machine", machine_name()}, {"rewards", std::move(rows)}};
}

std::string dumped(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string machine_name() {
  std::string processor = "unknown processor";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (!line.starts_with("model name") || colon == std::string::npos) continue;
    processor = line.substr(colon + 2);
    break;
  }
  return processor + ", " + std::to_string(std::thread::hardware_concurrency()) + " threads";
}

fs::path speed_file() {
  const std::string cache = host::environment("XDG_CACHE_HOME");
  return (cache.empty() ? host::home_folder() / ".cache" : fs::path(cache)) / "hn" /
         "reward_speed.json";
}

std::string rewards_catalogue(const host::Host& host) {
  return dumped(with_speed(host.registry().catalogue(), read_cache()));
}

std::string measure_rewards(host::Host& host, std::string_view text, const hnhost_hooks* hooks) {
  const Request request = parse(text);
  const core::Services services = host::make_services(host, hooks);
  Json rows = host.registry().catalogue();
  std::vector<Json> chosen;
  for (const std::string& name : request.rewards) host.registry().reward(name);  // or it says so
  for (const Json& row : rows) {
    const auto name = row.at("name").get<std::string>();
    const auto& names = request.rewards;
    const bool has_weights =
        row.at("weights").at("kind") != "required" || request.weights.contains(name);
    bool asked = std::find(names.begin(), names.end(), name) != names.end();
    for (const Json& alias : row.at("aliases"))
      asked = asked || std::find(names.begin(), names.end(), alias) != names.end();
    if (names.empty() ? has_weights : asked) chosen.push_back(row);
  }
  Json cache = read_cache();
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto name = chosen[i].at("name").get<std::string>();
    if (services.progress) services.progress("measuring " + name, i, chosen.size());
    if (services.cancelled && services.cancelled())
      throw Error(HN_CANCELLED, "[measure] stopped by the user");
    entry(cache, chosen[i]) = measured_apart(host, name, request, services);
  }
  fs::create_directories(speed_file().parent_path());
  write_file_atomically(speed_file(), dumped(cache));
  return dumped(with_speed(std::move(rows), std::move(cache)));
}

void serve_measurement(std::string_view text, apart::Channel& channel) {
  Json answer;
  try {
    const Json said = Json::parse(text);
    HostOptions options;
    options.plugin_paths = said.at("plugin_paths").get<std::vector<std::string>>();
    options.core_file = said.at("core_file").get<std::string>();
    options.core_libtorch = said.at("core_libtorch");
    Request r;
    r.weights = said.at("weights").get<std::map<std::string, std::string>>();
    r.threads = said.at("threads");
    r.size = said.at("size");
    r.seconds = said.at("seconds");
    Host host(std::move(options));
    answer = measured(host, said.at("name"), r);
  } catch (const std::exception& e) {
    answer = {{"error", e.what()}};
  }
  channel.say(answer.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace hn::host
