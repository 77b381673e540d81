// Numbers that are NaN or infinite, by name: which sample, which prompt, how many.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>

#include "core/session.hpp"

namespace hn::core {

// A reward, gradient or delta of a training step that is NaN or infinite; the text names it and its
// prompt.
class NotFinite : public Error {
 public:
  explicit NotFinite(const std::string& message) : Error(HN_INVALID_ARGUMENT, message) {}
};

// What is not finite among the numbers of one sample, of any floating type and device: "nan", "inf
// (5 of 12 numbers are not finite)"; empty where nothing is.
std::string not_finite(const at::Tensor& numbers);

// rows: [b,...]. The first row that is not finite: "nan at sample 3 (prompt 'a cat'; 5 of 12
// numbers are not finite)"; empty where every row is. first: the number of row 0; prompts: one a
// row, or none.
std::string not_finite_rows(const at::Tensor& rows, std::span<const Prompt> prompts,
                            std::int64_t first = 0);

// Throws NotFinite "what: nan at sample ...".
void require_finite_rows(const at::Tensor& rows, const std::string& what,
                         std::span<const Prompt> prompts);

}  // namespace hn::core
