#include "core/host_tensor.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <hn/cpp/tensor.hpp>
#include <hn/torch/tensor.hpp>

namespace hn::core {
namespace {

std::size_t numbers(const std::vector<std::int64_t>& shape) {
  std::size_t n = 1;
  for (const std::int64_t size : shape) n *= static_cast<std::size_t>(size);
  return n;
}

}  // namespace

at::Tensor view_of(const Tensor& tensor, const std::vector<std::int64_t>& shape,
                   const std::string& what) {
  if (tensor.shape != shape)
    throw Error(HN_INVALID_ARGUMENT, "[" + what + "] expected shape " + shape_text(shape) +
                                         ", got " + shape_text(tensor.shape));
  if (tensor.data.size() != numbers(shape))
    throw Error(HN_INVALID_ARGUMENT, "[" + what + "] shape " + shape_text(shape) + " means " +
                                         std::to_string(numbers(shape)) + " numbers, got " +
                                         std::to_string(tensor.data.size()));
  return at::from_blob(const_cast<float*>(tensor.data.data()), shape, at::kFloat);
}

at::Tensor view_of(const DLTensor& tensor, const std::vector<std::int64_t>& shape,
                   const std::string& what) {
  const auto got = shape_of(tensor);
  if (!std::equal(got.begin(), got.end(), shape.begin(), shape.end()))
    throw Error(HN_INVALID_ARGUMENT,
                "[" + what + "] expected shape " + shape_text(shape) + ", got " + shape_text(got));
  return tensor_view(tensor);
}

void write_to(const DLTensor& tensor, const at::Tensor& values) {
  tensor_view(tensor).copy_(values);
}

at::Tensor allocate(Tensor& tensor, std::vector<std::int64_t> shape) {
  tensor.data.assign(numbers(shape), 0.0f);
  tensor.shape = std::move(shape);
  return at::from_blob(tensor.data.data(), tensor.shape, at::kFloat);
}

std::vector<std::int64_t> join_shape(std::vector<std::int64_t> front,
                                     const std::vector<std::int64_t>& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

}  // namespace hn::core
