// hnhost pull: weights into Hugging Face's cache, where Python looks too.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "numbers.hpp"
#include "overlay.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string model, variant, revision, list;
  std::int64_t connections = 0;
  bool accept = false, dry_run = false, verify = false;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost pull                          # what can be pulled, and what is there\n"
    "  hnhost pull sd-turbo --accept-licence\n"
    "  hnhost --generator sd-turbo --reward hps      # found without --weights\n"
    "\nFiles go to Hugging Face's cache (HF_HOME, HF_HUB_CACHE), in the layout that Python reads. "
    "A\n"
    "stopped pull goes on where it was. HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured;\n"
    "~/.config/hn/weights.toml adds models of your own.";

std::string bytes_text(double bytes) {
  static constexpr std::array<const char*, 4> kUnits = {"kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (bytes /= 1000; bytes >= 1000 && unit + 1 < kUnits.size(); bytes /= 1000) ++unit;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), bytes < 10 ? "%.1f %s" : "%.0f %s", bytes,
                kUnits.at(unit));
  return text.data();
}

// Bytes on stderr: a bar with the speed on a terminal, else a line each five seconds.
class TransferBar {
 public:
  explicit TransferBar(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {
    hooks_.struct_size = sizeof(hooks_);
    hooks_.ctx = this;
    hooks_.on_progress = on_progress;
    hooks_.is_cancelled = [](void*) -> std::int32_t { return stop_requested() ? 1 : 0; };
  }
  ~TransferBar() {
    if (open_line_) std::cerr << "\n";
  }
  TransferBar(const TransferBar&) = delete;
  TransferBar& operator=(const TransferBar&) = delete;

  const hnhost_hooks* hooks() const { return &hooks_; }

 private:
  using Clock = std::chrono::steady_clock;

  static void HN_CALL on_progress(void* self, hn_str what, std::uint64_t done,
                                  std::uint64_t total) {
    static_cast<TransferBar*>(self)->show(std::string(view(what)), done, total);
  }

  void show(const std::string& what, std::uint64_t done, std::uint64_t total) {
    if (quiet_) return;
    const auto now = Clock::now();
    if (now - last_ <
        (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000)))
      return;
    // The speed is of this process: what was there before it began is not counted.
    if (begin_ == Clock::time_point{}) {
      begin_ = now;
      first_ = done;
    }
    last_ = now;
    std::string text = what;
    if (total > 0) {
      const double share = static_cast<double>(done) / static_cast<double>(total);
      const double seconds = std::chrono::duration<double>(now - begin_).count();
      const double speed =
          seconds > 0.5 && done > first_ ? static_cast<double>(done - first_) / seconds : 0;
      text = (terminal_ ? bar_text(share, 24) + " " : "") + bytes_text(static_cast<double>(done)) +
             " of " + bytes_text(static_cast<double>(total));
      if (speed > 0)
        text += "  " + bytes_text(speed) + "/s  " +
                duration_text(static_cast<double>(total - std::min(done, total)) / speed) + " left";
      text += "  " + what;
    }
    std::cerr << (terminal_ ? "\r\x1b[K" : "") << text << (terminal_ ? "" : "\n") << std::flush;
    open_line_ = terminal_;
  }

  bool quiet_, terminal_;
  bool open_line_ = false;
  Clock::time_point begin_{}, last_{};
  std::uint64_t first_ = 0;
  hnhost_hooks hooks_{};
};

std::string request_of(const Options& o, bool dry_run, bool accept) {
  std::string request;
  const auto add = [&](const char* key, const std::string& toml) {
    request += std::string(key) + " = " + toml + "\n";
  };
  const auto add_text = [&](const char* key, const std::string& value) {
    if (!value.empty()) add(key, toml_text(value));
  };
  add_text("model", o.model);
  add_text("variant", o.variant);
  add_text("revision", o.revision);
  add_text("list", o.list);
  if (o.connections > 0) add("connections", std::to_string(o.connections));
  if (accept) add("accept_licence", "true");
  if (dry_run) add("dry_run", "true");
  if (o.verify) add("verify", "true");
  return request;
}

void print_listing(const json& all) {
  std::vector<std::vector<std::string>> rows = {
      {"weights", "repository", "variants", "licence", "here"}};
  for (const json& row : all.at("models")) {
    std::string variants;
    for (const json& each : row.at("variants"))
      variants += (variants.empty() ? "" : ", ") + each.get<std::string>();
    std::string repos = row.at("repo");
    for (const json& part : row.at("parts")) repos += " + " + part.at("repo").get<std::string>();
    rows.push_back({row.at("name"), repos, variants, row.at("licence"),
                    row.at("weights").is_null() ? "no" : "yes"});
  }
  std::cout << table_text(rows) << "\ncache: " << all.at("cache").get<std::string>() << "\n";
}

// The plan of a model and of each of its parts.
std::vector<json> plans(const json& plan) {
  std::vector<json> all = {plan};
  const json& parts = plan.at("parts");
  all.insert(all.end(), parts.begin(), parts.end());
  for (const json& part : parts) {
    for (const char* key : {"bytes", "missing_bytes"})
      all[0][key] = all[0][key].get<std::uint64_t>() - part.at(key).get<std::uint64_t>();
  }
  return all;
}

void print_plan(const json& plan) {
  const json& licence = plan.at("licence");
  std::cerr << plan.at("repo").get<std::string>() << " at " << plan.at("commit").get<std::string>()
            << ": " << plan.at("files").size() << " files, "
            << bytes_text(plan.at("bytes").get<double>()) << ", of which "
            << bytes_text(plan.at("missing_bytes").get<double>())
            << " to fetch\nlicence: " << licence.at("name").get<std::string>();
  if (const auto url = licence.at("url").get<std::string>(); !url.empty()) std::cerr << "  " << url;
  if (licence.at("accepted").get<bool>()) std::cerr << "  (accepted before)";
  std::cerr << "\n";
}

// True when every licence is permissive, was accepted before, or is now.
bool licences_settled(const json& plan, const Options& o) {
  const std::vector<json> all = plans(plan);
  const auto settled = [](const json& each) {
    const json& licence = each.at("licence");
    return licence.at("permissive").get<bool>() || licence.at("accepted").get<bool>();
  };
  const auto open = std::count_if(all.begin(), all.end(), std::not_fn(settled));
  if (open == 0 || o.accept) return true;
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return false;
  std::cerr << (open == 1 ? "Accept this licence? [y/N] " : "Accept these licences? [y/N] ")
            << std::flush;
  std::string line;
  std::getline(std::cin, line);
  if (line == "y" || line == "Y" || line == "yes") return true;
  throw UsageError(HN_CANCELLED, "[pull " + o.model + "] the licence was not accepted");
}

int pull(const Options& o, const Command& command) {
  const HostHandle host(command);
  catch_signals();
  const auto ask = [&](const std::string& request) {
    const TransferBar bar(command.quiet);
    return answer([&](hnhost_text** out, hn_error* error) {
      return hnhost_pull(host.get(), str(request), bar.hooks(), out, error);
    });
  };
  if (o.model.empty()) {
    const std::string text = ask(request_of(o, false, false));
    if (command.json)
      print_json(text);
    else
      print_listing(json::parse(text));
    return kOk;
  }
  const std::string plan_text = ask(request_of(o, true, o.accept));
  const json plan = json::parse(plan_text);
  const bool offline = !plan.contains("licence");
  if (!offline && !command.quiet)
    for (const json& each : plans(plan)) print_plan(each);
  if (offline || o.dry_run) {
    if (command.json)
      print_json(plan_text);
    else if (offline)
      std::cout << plan.at("weights").get<std::string>() << "\n";
    return kOk;
  }
  const std::string text = ask(request_of(o, false, licences_settled(plan, o)));
  const json done = json::parse(text);
  if (command.json) {
    print_json(text);
    return kOk;
  }
  if (!command.quiet)
    std::cerr << bytes_text(done.at("downloaded_bytes").get<double>()) << " fetched\n";
  std::cout << done.at("weights").get<std::string>() << "\n";
  for (const json& part : done.at("parts"))
    std::cerr << "option " << part.at("option").get<std::string>() << ": "
              << part.at("weights").get<std::string>() << "\n";
  return kOk;
}

}  // namespace

void add_pull(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("pull", "Download weights, or list what can be downloaded");
  verb->footer(kFooter);
  add_common(*verb, command);
  verb->add_option("model", o->model, "One of the list; all of them are shown without")
      ->type_name("MODEL");
  verb->add_option("--variant", o->variant, "fp16, ...: as the list has them")->type_name("NAME");
  verb->add_option("--revision", o->revision, "Branch, tag or commit [the list's]")
      ->type_name("REV");
  verb->add_flag("--accept-licence", o->accept, "You have read the licence and accept it");
  verb->add_flag("--dry-run", o->dry_run, "Only say what would be fetched");
  verb->add_flag("--verify", o->verify, "Compute the sums of files that are there already");
  add_integer(*verb, "--connections", o->connections, {1, 64}, "At a time for one file [4]");
  verb->add_option("--list", o->list, "Another list of weights")->type_name("FILE");
  verb->callback([o, &command] { command.run = [o, &command] { return pull(*o, command); }; });
}

}  // namespace hn::cli
