// hnhost: trains noise hypernetworks, samples, scores. One cmd_<verb>.cpp a verb.
#include <malloc.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "crash_report.hpp"
#include "exit_guard.hpp"
#include "overlay.hpp"
#include "standard_streams.hpp"

namespace {

constexpr const char* kAbout =
    "Noise hypernetworks: a one-step text-to-image model learns to please a reward.\n"
    "Without a verb it trains: hnhost --generator emoji-sprint --reward redness\n";

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost --generator emoji-sprint --reward clip=5 --steps 160 --out runs/clip\n"
    "  hnhost sample --adapter runs/clip --out-dir pictures\n"
    "  hnhost score --reward clip --images-in images.safetensors --prompts prompts.txt --json\n"
    "  hnhost list rewards\n"
    "  hnhost train --help\n"
    "\nExit codes: 0 done, 1 failed or stopped by Ctrl-C, 2 a mistake on the command line or in "
    "the\n"
    "configuration. Text for people goes to stderr, data to stdout; --json works with every verb.";

const char* code_name(hn_status code) {
  switch (code) {
    case HN_INVALID_ARGUMENT: return "invalid_argument";
    case HN_UNSUPPORTED: return "unsupported";
    case HN_NOT_FOUND: return "not_found";
    case HN_OUT_OF_MEMORY: return "out_of_memory";
    case HN_CANCELLED: return "cancelled";
    case HN_DATA_LOSS: return "data_loss";
    case HN_DEVICE_LOST: return "device_lost";
    default: return "internal";
  }
}

int report(const hn::cli::Command& command, hn_status code, const std::string& error_text,
           int exit) {
  const std::string text = hn::cli::with_config_file(error_text, command.config);
  std::cerr << "hnhost: " << text << "\n";
  if (command.json) {
    const nlohmann::ordered_json error = {
        {"error", {{"code", code_name(code)}, {"message", text}}}};
    hn::cli::print_json(
        error.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }
  return exit;
}

// "hnhost --reward clip" is "hnhost train --reward clip".
std::vector<std::string> with_default_verb(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const bool flag_first = !words.empty() && words[0].starts_with("-") && words[0] != "--help" &&
                          words[0] != "-h" && words[0] != "--version";
  if (flag_first) words.insert(words.begin(), "train");
  return words;
}

int run(hn::cli::Command& command, int argc, char** argv) {
  CLI::App app(kAbout, "hnhost");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("hnhost ") + hnhost_version());
  hn::cli::add_train(app, command);
  hn::cli::add_sample(app, command);
  hn::cli::add_try(app, command);
  hn::cli::add_diagnose(app, command);
  hn::cli::add_score(app, command);
  hn::cli::add_search(app, command);
  hn::cli::add_headroom(app, command);
  hn::cli::add_compare(app, command);
  hn::cli::add_rewards(app, command);
  hn::cli::add_list(app, command);
  hn::cli::add_inspect(app, command);
  hn::cli::add_pull(app, command);
  hn::cli::add_selftest(app, command);
  hn::cli::add_validate(app, command);
  hn::cli::add_new(app, command);
  hn::cli::add_demo(app, command);
  hn::cli::add_paper(app, command);
  hn::cli::add_version(app, command);

  std::vector<std::string> words = with_default_verb(argc, argv);
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());  // as CLI11 wants a vector
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    // Help and version come this way too, with code 0.
    const int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? hn::cli::kOk : hn::cli::kUsage;
  }
  const CLI::Option* config = app.get_subcommands().front()->get_option_no_throw("--config");
  if (config != nullptr && config->count() > 0) command.config = config->as<std::string>();
  return command.run();
}

int run_and_report(int argc, char** argv) {
  hn::cli::Command command;
  try {
    return run(command, argc, argv);
  } catch (const hn::cli::UsageError& error) {
    return report(command, error.code(), error.what(), hn::cli::kUsage);
  } catch (const hn::Error& error) {
    return report(command, error.code(), error.what(), hn::cli::kFailure);
  } catch (const std::bad_alloc&) {
    return report(command, HN_OUT_OF_MEMORY, "out of memory", hn::cli::kFailure);
  } catch (const std::exception& error) {
    return report(command, HN_INTERNAL, error.what(), hn::cli::kFailure);
  }
}

// An answer that did not reach stdout was not given.
int with_output(int code) {
  const std::string problem = hn::cli::flush_output();
  if (problem.empty()) return code;
  std::cerr << "hnhost: " << problem << "\n";
  return code == hn::cli::kOk ? hn::cli::kFailure : code;
}

// How long OpenMP's threads spin before they sleep, for LibTorch, which is not loaded yet. With
// libgomp's own 300,000 turns a step beside other busy processes takes ten times its time and more
// (docs/results/busy_machine.md). A user's own setting wins.
void wait_politely() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", "3000", /*overwrite=*/0);
}

}  // namespace

int main(int argc, char** argv) {
  hn::cli::open_standard_streams();
  hn::cli::guard_exits();
  hn::cli::report_crashes();
  // A file beyond the limit (ulimit -f) is then an error of the write, which names the file.
  std::signal(SIGXFSZ, SIG_IGN);
  wait_politely();
  // Training frees and takes again the same tens of MiB in every step. Handing them back to the
  // system each time cost a tenth to a fifth of the step in page faults, so the process keeps them.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const int code = with_output(run_and_report(argc, argv));
  hn::cli::work_ended(code);
  return code;
}
