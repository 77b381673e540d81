// What the methods of a search see of generator and rewards: a function of one noise, for one
// prompt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hn::search {

// Noises are rows of size() numbers, compact. Values are higher for better. A value may differ in
// its last bits with the other rows of a call, and in nothing else.
class Objective {
 public:
  virtual ~Objective() = default;

  virtual std::size_t size() const = 0;
  // Standard normal numbers: a pure function of `number`. 0 is the prompt's own start.
  virtual void normals(std::uint64_t number, std::span<float> out) const = 0;
  // Fresh normals into what the generator gets: x0 + f(x0) where a noise network is trained, else
  // as they are. In place.
  virtual void transform(std::span<float> noises) = 0;
  // One a noise. Errors: those of the session.
  virtual std::vector<double> values(std::span<const float> noises) = 0;
  // Also d value / d noise, as many numbers as noises. HN_UNSUPPORTED names what has no gradient.
  virtual std::vector<double> gradients(std::span<const float> noises, std::span<float> grads) = 0;
};

}  // namespace hn::search
