#include "paper_plan.hpp"

#include "overlay.hpp"

namespace hn::cli {
namespace {

// Only for folders and labels.
std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

class Plan {
 public:
  explicit Plan(const PaperSize& size) : size_(size) {}

  std::vector<PaperJob> jobs() {
    table1();
    steps();
    ranks();
    front();
    return std::move(jobs_);
  }

 private:
  static std::string line(const std::string& key, const std::string& toml) {
    return key + " = " + toml + "\n";
  }
  std::string common(std::int64_t seed) const {
    return line("generator", toml_text("emoji-sprint")) + line("seed", std::to_string(seed)) +
           line("eval.count", std::to_string(size_.prompts)) + line("eval.seeds", "[1]") +
           line("train.sample_every", "0") + line("train.checkpoint_every", "20");
  }
  // The demo's settings of the CLIP training, whatever network is trained.
  std::string clip(std::int64_t seed, const std::string& net, std::int64_t steps,
                   std::int64_t rank = 16) const {
    std::string text = common(seed) + line("net.kind", toml_text(net)) +
                       line("train.steps", std::to_string(steps)) +
                       line("train.batch", std::to_string(size_.batch)) +
                       line("train.reg_weight", "1.0") + line("train.schedule", "\"linear\"") +
                       line("reward", "[{name = \"clip\", weight = 5.0}]") +
                       line("eval.rewards", "[\"judge\", \"redness\"]");
    if (net == "hypernet" || net == "finetune")
      text += line("net.rank", std::to_string(rank)) +
              line("net.alpha", std::to_string(2 * rank) + ".0");
    return text;
  }
  PaperJob& add(PaperJob::Kind kind, const std::string& group, const std::string& method,
                std::int64_t seed, const std::string& folder, std::string config) {
    PaperJob job;
    job.kind = kind;
    job.group = group;
    job.method = method;
    job.seed = seed;
    job.folder = folder;
    job.config = std::move(config);
    jobs_.push_back(std::move(job));
    return jobs_.back();
  }
  static std::string numbered(const std::string& folder, std::int64_t seed) {
    return folder + "-seed" + std::to_string(seed);
  }
  void search(const std::string& method, const std::string& label, const std::string& folder,
              std::int64_t seed, std::int64_t noises, const std::string& adapter) {
    PaperJob& job = add(PaperJob::Kind::kSearch, "table1", label, seed, folder,
                        common(1) + line("reward", "[{name = \"clip\", weight = 5.0}]") +
                            line("eval.rewards", "[\"judge\", \"redness\"]") +
                            line("search.method", toml_text(method)) +
                            line("search.n", std::to_string(noises)));
    job.adapter = adapter;
  }

  void table1() {
    constexpr const char* kNets[][2] = {{"hypernet", "noise hypernetwork"},
                                        {"low-frequency", "low-frequency network"},
                                        {"constant", "constant offset"},
                                        {"finetune", "direct fine-tune"}};
    for (const std::int64_t seed : size_.seeds)
      for (const auto& [net, label] : kNets)
        add(PaperJob::Kind::kRun, "table1", label, seed, numbered(net, seed),
            clip(seed, net, size_.steps));
    // Nothing is drawn at random but the noises, which the evaluations have in common.
    const std::string n = std::to_string(size_.noises);
    search("best-of-n", "best of " + n, "best-of-n", 0, size_.noises, "");
    search("reno", "ReNO, " + n + " iterations", "reno", 0, size_.noises, "");
    for (const std::int64_t seed : size_.seeds)
      search("best-of-n", "noise hypernetwork, best of 4", numbered("hypernet-best-of-4", seed),
             seed, 4, numbered("hypernet", seed));
  }

  void steps() {
    for (const std::int64_t n : size_.generator_steps)
      for (const std::int64_t seed : size_.seeds) {
        PaperJob& job =
            add(PaperJob::Kind::kRun, "steps", "noise hypernetwork", seed,
                numbered("steps-" + std::to_string(n), seed),
                clip(seed, "hypernet", 0) + line("generator_options.steps", std::to_string(n)));
        job.value = static_cast<double>(n);
        job.adapter = numbered("hypernet", seed);
      }
  }

  void ranks() {
    for (const std::int64_t rank : size_.ranks)
      for (const std::int64_t seed : size_.seeds)
        for (const char* net : {"hypernet", "finetune"})
          add(PaperJob::Kind::kRun, "ranks",
              net == std::string("hypernet") ? "noise hypernetwork" : "direct fine-tune", seed,
              numbered(std::string(net) + "-rank" + std::to_string(rank), seed),
              clip(seed, net, size_.steps, rank))
              .value = static_cast<double>(rank);
  }

  // Figure 4: redness against what it costs, over KL weights, and along a fine-tune.
  void front() {
    const std::string redness = line("reward", "[{name = \"redness\", weight = 1.0}]") +
                                line("eval.rewards", "[\"clip\", \"judge\"]");
    for (const std::int64_t seed : size_.seeds) {
      for (const double weight : size_.kl_weights)
        add(PaperJob::Kind::kRun, "front", "noise hypernetwork", seed,
            numbered("redness-kl" + short_number(weight), seed),
            common(seed) + line("net.kind", "\"hypernet\"") + redness +
                line("train.steps", std::to_string(size_.redness_steps)) +
                line("train.kl_target", "0.0") +
                line("train.reg_weight", toml_number(short_number(weight), "reg_weight")))
            .value = weight;
      for (const std::int64_t steps : size_.finetune_steps)
        add(PaperJob::Kind::kRun, "front", "direct fine-tune", seed,
            numbered("redness-finetune" + std::to_string(steps), seed),
            common(seed) + line("net.kind", "\"finetune\"") + redness +
                line("train.steps", std::to_string(steps)))
            .value = static_cast<double>(steps);
    }
  }

  const PaperSize& size_;
  std::vector<PaperJob> jobs_;
};

}  // namespace

PaperSize quick_paper() {
  PaperSize size;
  size.seeds = {0};
  size.prompts = 24;
  size.steps = 40;
  size.batch = 16;
  size.redness_steps = 30;
  size.noises = 8;
  size.ranks = {4};
  size.generator_steps = {2};
  size.kl_weights = {1, 10};
  size.finetune_steps = {4, 12};
  return size;
}

PaperSize full_paper() {
  PaperSize size;
  size.seeds = {0, 1, 2};
  size.prompts = 0;
  size.steps = 240;
  size.batch = 48;
  size.redness_steps = 80;
  size.noises = 50;
  size.ranks = {4, 8, 32};
  size.generator_steps = {2, 4, 8};
  size.kl_weights = {0.3, 1, 3, 6, 10, 30};
  size.finetune_steps = {3, 6, 12, 24};
  return size;
}

std::vector<PaperJob> paper_jobs(const PaperSize& size) { return Plan(size).jobs(); }

}  // namespace hn::cli
