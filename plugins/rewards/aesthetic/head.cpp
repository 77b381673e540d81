#include "head.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <hn/cpp/error.hpp>
#include <hn/nn/weight_map.hpp>
#include <set>

namespace hn::aesthetic {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKnown[] = {"sac+logos+ava1-l14-linearMSE.pth", "sa_0_4_vit_l_14_linear.pth"};
constexpr std::string_view kLayers = "layers.";

// "layers.4.weight" -> "layers.4."; the dropouts between leave gaps in the numbers.
std::vector<std::string> layer_names(const WeightFiles& files) {
  if (files.find("weight") != nullptr) return {""};
  std::set<std::int64_t> numbers;
  for (const std::string& name : files.names()) {
    if (!name.starts_with(kLayers)) continue;
    std::int64_t number = -1;
    std::from_chars(name.data() + kLayers.size(), name.data() + name.size(), number);
    if (number >= 0) numbers.insert(number);
  }
  std::vector<std::string> names;
  for (const std::int64_t number : numbers)
    names.push_back(std::string(kLayers) + std::to_string(number) + ".");
  return names;
}

}  // namespace

Head::Head(const WeightFiles& files, std::int64_t width, at::Device device) {
  const std::string where = "[aesthetic] " + files.path().string() + ": ";
  const std::vector<std::string> names = layer_names(files);
  if (names.empty())
    throw Error(HN_DATA_LOSS, where +
                                  "expected a head (layers.N.weight, or weight and bias), got " +
                                  std::to_string(files.size()) + " tensors of other names");
  WeightMap weights(files, at::kFloat, device, "aesthetic head");
  std::int64_t in = width;
  for (const std::string& name : names) {
    const StridedView* stored = files.find(name + "weight");
    const std::int64_t out = stored != nullptr && stored->shape.size() == 2 ? stored->shape[0] : 1;
    layers_.push_back(
        {weights.take(name + "weight", {out, in}), weights.take(name + "bias", {out})});
    in = out;
  }
  weights.finish();
  if (in != 1)
    throw Error(HN_DATA_LOSS,
                where + "expected a head that ends in 1 number, got " + std::to_string(in));
  bytes_ = weights.bytes();
}

at::Tensor Head::forward(const at::Tensor& unit) const {
  at::Tensor x = unit;
  for (const Layer& layer : layers_) x = at::linear(x, layer.weight, layer.bias);
  return x.squeeze(-1);
}

fs::path find_head(const fs::path& folder, const std::string& given) {
  if (!given.empty()) {
    if (fs::is_regular_file(folder / given)) return folder / given;
    throw Error(HN_NOT_FOUND, "[option head] there is no " + (folder / given).string());
  }
  std::string list;
  for (const char* name : kKnown) {
    if (fs::is_regular_file(folder / name)) return folder / name;
    list += std::string(name) + ", ";
  }
  std::vector<fs::path> found;
  for (const auto& item : fs::directory_iterator(folder))
    if (item.path().extension() == ".pth") found.push_back(item.path());
  if (found.size() == 1) return found[0];
  throw Error(HN_NOT_FOUND, "[aesthetic] " + folder.string() + ": expected " + list +
                                "or one .pth file of another name, got " +
                                std::to_string(found.size()) +
                                " .pth files (option head names one)");
}

}  // namespace hn::aesthetic
