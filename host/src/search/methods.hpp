// Searches for better noise at test time, for one prompt: nothing is trained. docs/numerics.md,
// "Search at test time", has the formulas and their sources.
//
// Each looks at n noises, of which the first is the start, and keeps the best that it saw; of
// equals the first. The result is a function of the objective and the options: `batch` changes last
// bits alone.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "config/run_config.hpp"
#include "search/objective.hpp"

namespace hn::search {

struct Found {
  std::vector<float> noise;    // of the best value
  std::vector<double> values;  // of every noise that counts, in order; [0] is the start's
  std::size_t best = 0;        // index into values

  double value() const { return values.at(best); }
  // Takes the next noise in.
  void look(double value, std::span<const float> at);
};

// HN_INVALID_ARGUMENT for a method without its option (threshold).
void check_options(const host::SearchConfig& options);
// True for methods that call Objective::gradients.
bool needs_gradient(host::SearchMethod method);
std::string_view method_name(host::SearchMethod method);

// How many noises a prompt of the method "threshold" may look at: n, and what the prompts before it
// left of theirs, up to most * n. before: values that each of them looked at, summed over `index`
// prompts.
std::int64_t threshold_allowance(const host::SearchConfig& options, std::size_t index,
                                 std::uint64_t before);

// By options.method. most: noises that may be looked at; n but for the method "threshold".
Found search(Objective& objective, const host::SearchConfig& options, std::int64_t most);

// Independent draws; the best. With a bound the first that reaches it ends the search, and those
// that were computed with it in one batch do not count.
Found best_of_n(Objective& objective, std::int64_t n, std::int64_t batch,
                double bound = std::numeric_limits<double>::infinity());
// The start and n - 1 neighbours sqrt(1 - sigma^2) x + sigma z of it.
Found random_search(Objective& objective, const host::SearchConfig& options);
// Rounds of `neighbours` around the best so far.
Found zeroth_order(Objective& objective, const host::SearchConfig& options);
// Gradient ascent with momentum on the reward less ReNO's norm term.
Found reno(Objective& objective, const host::SearchConfig& options);
// Steps of a Langevin chain whose target is N(0, I) exp(reward / temperature).
Found langevin(Objective& objective, const host::SearchConfig& options);

// ---- What the methods share
// The prompt's start as the generator gets it.
std::vector<float> start_of(Objective& objective);
// size() numbers of neighbour `number` of x: sqrt(1 - sigma^2) x + sigma z, standard normal where x
// is.
void neighbour(const Objective& objective, std::span<const float> x, double sigma,
               std::uint64_t number, std::span<float> out);
// The next `count` neighbours of x, at most `batch` at once. Their numbers go on with found.values.
void look_around(Objective& objective, std::span<const float> x, double sigma, std::int64_t count,
                 std::int64_t batch, Found& found);

}  // namespace hn::search
