#include "core/lora_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <hn/formats/weight_files.hpp>
#include <hn/torch/tensor.hpp>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "core/finite.hpp"
#include "core/lora_config.hpp"
#include "core/lora_methods.hpp"
#include "core/tensor_io.hpp"

namespace hn::core {
namespace {

namespace fs = std::filesystem;

std::string size_text(const at::Tensor& tensor) {
  return shape_text({tensor.sizes().data(), tensor.sizes().size()});
}

// One module's tensors as the file has them.
struct Module {
  at::Tensor a, b;
  std::optional<double> alpha;
  std::string key_a, key_b;
};

at::Tensor read_float(const WeightFiles& files, const std::string& name, TensorProblems& problems) {
  const StridedView& view = files.at(name);
  at::ScalarType type = at::kFloat;
  switch (view.dtype) {
    case TensorDtype::kF32: break;
    case TensorDtype::kF16: type = at::kHalf; break;
    case TensorDtype::kBF16: type = at::kBFloat16; break;
    case TensorDtype::kF64: type = at::kDouble; break;
    case TensorDtype::kI64: type = at::kLong; break;  // some tools write alphas so
    default:
      problems.add(name + ": expected F32, F16, BF16 or F64, got " +
                   std::string(dtype_name(view.dtype)));
      return {};
  }
  // A copy of the bytes first: they need not be aligned for their type.
  const auto extent = static_cast<std::int64_t>(view.extent_bytes() / c10::elementSize(type));
  at::Tensor bytes = at::empty({extent}, type);
  if (view.extent_bytes() > 0)
    std::memcpy(bytes.mutable_data_ptr(), view.data, view.extent_bytes());
  at::Tensor tensor = bytes.as_strided(view.shape, view.strides).to(at::kFloat).contiguous();
  if (tensor.numel() > 0 && !at::isfinite(tensor).all().item<bool>())
    problems.add(name + ": holds values that are not finite");
  return tensor;
}

// The matrix as its layer has it: linear layers are matrices, convolutions have two more sizes,
// which files leave out, or write, for 1x1.
at::Tensor shaped(const at::Tensor& tensor, const std::vector<std::int64_t>& shape) {
  const std::int64_t elements = [&] {
    std::int64_t n = 1;
    for (const std::int64_t size : shape) n *= size;
    return n;
  }();
  const bool fits = tensor.dim() >= 2 && tensor.numel() == elements && tensor.size(0) == shape[0] &&
                    tensor.size(1) == shape[1];
  return fits ? tensor.reshape(shape) : at::Tensor();
}

std::vector<std::int64_t> shape_a(const AdapterLayer& layer, std::int64_t rank) {
  if (!layer.conv) return {rank, layer.in};
  return {rank, layer.in, layer.kernel, layer.kernel};
}
std::vector<std::int64_t> shape_b(const AdapterLayer& layer, std::int64_t rank, bool dense) {
  if (!layer.conv) return {layer.out, rank};
  return {layer.out, dense ? rank : rank / layer.groups, 1, 1};
}

// The one file that a folder's adapter is in.
fs::path weights_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin",
                           "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"})
    if (fs::exists(path / name, ignored)) return path / name;
  throw Error(HN_NOT_FOUND, "[adapter] expected adapter_model.safetensors or " +
                                std::string("pytorch_lora_weights.safetensors in ") +
                                path.string());
}

class Reader {
 public:
  Reader(const fs::path& path, std::span<const AdapterLayer> layers)
      : path_(weights_file(path)),
        files_(WeightFiles::open(path_)),
        names_(layers),
        config_(read_lora_config(path_)),
        problems_("[adapter] " + path_.string()) {}

  LoraFile read() {
    file_.path = path_;
    std::map<std::string, Module> modules;
    for (const std::string& key : files_.names()) take_key(key, modules);
    if (modules.empty() && file_.unmatched.empty() && file_.text_encoders.empty())
      throw Error(HN_DATA_LOSS, "[adapter] " + file_.path.string() + " holds no tensors");
    for (const auto& [module, tensors] : modules) take_module(module, tensors);
    check_metadata();
    apply(config_);
    problems_.finish();
    return std::move(file_);
  }

 private:
  void take_key(const std::string& key, std::map<std::string, Module>& modules) {
    if (is_text_encoder_key(key)) {
      file_.text_encoders.push_back(key);
      return;
    }
    if (refused_method(key)) return;
    const auto parsed = parse_lora_key(key);
    if (!parsed) {
      file_.unmatched.push_back(key + " " + text(key) + ": no LoRA matrix by its name");
      return;
    }
    if (file_.format.empty()) file_.format = parsed->format;
    Module& module = modules[parsed->module];
    const at::Tensor tensor = read_float(files_, key, problems_);
    if (parsed->part == LoraPart::kAlpha) {
      if (tensor.defined() && tensor.numel() == 1)
        module.alpha = tensor.item<double>();
      else if (tensor.defined())
        problems_.add(key + ": expected one number, got " + text(key));
      return;
    }
    const bool is_a = parsed->part == LoraPart::kA;
    std::string& known = is_a ? module.key_a : module.key_b;
    if (!known.empty()) problems_.add(key + ": the same matrix as " + known);
    known = key;
    (is_a ? module.a : module.b) = tensor;
  }

  // Methods that are not LoRA must not pass as half understood.
  bool refused_method(const std::string& key) {
    const auto other = other_method(key);
    if (other) problems_.add(key + ": " + *other);
    return other.has_value();
  }
  void check_metadata() {
    if (!is_safetensors_file(path_)) return;
    if (const auto other = other_method(SafetensorsFile::open(path_).metadata()))
      problems_.add(*other);
  }

  void take_module(const std::string& name, const Module& module) {
    const auto target = names_.target(name);
    if (!target) {
      std::string near;
      for (const std::string& each : names_.nearest(name))
        near += (near.empty() ? "; nearest: " : ", ") + each;
      for (const std::string& key : {module.key_a, module.key_b})
        if (!key.empty())
          file_.unmatched.push_back(key + " " + text(key) + ": no such layer" + near);
      if (module.key_a.empty() && module.key_b.empty())
        file_.unmatched.push_back(name + ".alpha: no such layer" + near);
      return;
    }
    if (module.key_a.empty() || module.key_b.empty()) {
      problems_.add(name + ": has " + (module.key_a.empty() ? "no A (down)" : "no B (up)"));
      return;
    }
    if (!module.a.defined() || !module.b.defined()) return;  // told already
    if (module.a.dim() < 2 || module.b.dim() < 2) {
      problems_.add(name + ": expected matrices, got " + size_text(module.a) + " and " +
                    size_text(module.b));
      return;
    }
    at::Tensor b = module.b;
    if (target->swapped)
      b = at::cat(
          {b.narrow(0, b.size(0) / 2, b.size(0) - b.size(0) / 2), b.narrow(0, 0, b.size(0) / 2)});
    std::int64_t rows = 0, wanted = 0;
    for (const std::string& layer : target->layers) wanted += names_.find(layer)->out;
    if (wanted != b.size(0)) {
      problems_.add(module.key_b + ": expected " + std::to_string(wanted) + " rows, got " +
                    text(module.key_b));
      return;
    }
    for (const std::string& layer : target->layers) {
      const std::int64_t out = names_.find(layer)->out;
      add_layer(*names_.find(layer), module, b.narrow(0, rows, out));
      rows += out;
    }
  }

  void add_layer(const AdapterLayer& layer, const Module& module, const at::Tensor& b_rows) {
    LoraFile::Layer made;
    made.name = layer.name;
    const std::int64_t rank = module.a.size(0);
    made.a = shaped(module.a, shape_a(layer, rank));
    made.b = shaped(b_rows, shape_b(layer, rank, false));
    if (!made.b.defined() && layer.groups > 1) {
      made.b = shaped(b_rows, shape_b(layer, rank, true));
      made.dense = made.b.defined();
    }
    if (!made.a.defined())
      problems_.add(module.key_a + ": " + layer.name + " wants " +
                    shape_text(shape_a(layer, rank)) + ", got " + text(module.key_a));
    if (!made.b.defined())
      problems_.add(module.key_b + ": " + layer.name + " wants " +
                    shape_text(shape_b(layer, rank, false)) + ", got " + size_text(b_rows));
    if (!made.a.defined() || !made.b.defined()) return;
    if (!seen_.insert(layer.name).second) {
      problems_.add(module.key_a + ": a second adapter of " + layer.name);
      return;
    }
    made.alpha = module.alpha.value_or(std::nan(""));
    file_.layers.push_back(std::move(made));
  }

  // What the configuration says of the layers, and where the file says otherwise.
  void apply(const LoraConfig& config) {
    for (LoraFile::Layer& layer : file_.layers) {
      if (const auto why = config.left_out(layer.name))
        problems_.add(layer.name + ": has matrices in the file, but " + *why + " (" +
                      config.where() + "), so that peft would not use them");
      if (const auto rank = config.rank(layer.name); rank && *rank != layer.rank())
        problems_.add(layer.name + ": has rank " + std::to_string(layer.rank()) +
                      " in the file, and " + std::to_string(*rank) + " by " + config.where());
      const double alpha = config.alpha(layer.name, layer.rank());
      if (std::isnan(layer.alpha))
        layer.alpha = alpha;
      else if (config.found() && std::abs(layer.alpha - alpha) > 1e-6 * std::abs(alpha))
        problems_.add(layer.name + ": has the alpha " + number_text(layer.alpha) +
                      " in the file, and " + number_text(alpha) + " by " + config.where());
    }
    file_.note = config.note();
    std::sort(file_.layers.begin(), file_.layers.end(),
              [](const auto& x, const auto& y) { return x.name < y.name; });
  }
  static std::string number_text(double value) {
    std::ostringstream out;
    out << value;
    return out.str();
  }

  std::string text(const std::string& key) const { return shape_text(files_.at(key).shape); }

  fs::path path_;
  WeightFiles files_;
  LoraNames names_;
  LoraConfig config_;
  TensorProblems problems_;
  LoraFile file_;
  std::set<std::string> seen_;
};

}  // namespace

LoraFile read_lora(const fs::path& path, std::span<const AdapterLayer> layers) {
  return Reader(path, layers).read();
}

NetSpec lora_net(const LoraFile& file, NetSpec net) {
  net.targets.clear();
  net.rank = 0;
  bool same = true;
  for (const LoraFile::Layer& layer : file.layers) {
    net.targets.push_back(layer.name);
    net.rank = std::max(net.rank, layer.rank());
    net.dense_groups = net.dense_groups || layer.dense;
    same = same && layer.rank() == file.layers.front().rank() &&
           layer.alpha == file.layers.front().alpha;
  }
  if (file.layers.empty())
    throw Error(HN_INVALID_ARGUMENT, "[adapter] " + file.path.string() +
                                         " has no matrix for any layer of this generator");
  net.alpha = same ? file.layers.front().alpha : static_cast<double>(net.rank);
  return net;
}

void report_lora(const LoraFile& file, bool partial, const HostServices& log) {
  const std::string where = "[adapter] " + file.path.string();
  std::string text;
  for (const std::string& key : file.unmatched) text += "\n  " + key;
  if (!text.empty()) {
    text = ": " + std::to_string(file.unmatched.size()) +
           " keys fit nothing in this generator:" + text;
    if (!partial)
      throw Error(HN_INVALID_ARGUMENT,
                  where + text + "\n(adapter_partial = true, --adapter-partial, loads the rest)");
    log.log(HN_LOG_WARNING, where + text);
  }
  if (!file.note.empty()) log.log(HN_LOG_WARNING, where + ": " + file.note);
  if (!file.text_encoders.empty())
    log.log(HN_LOG_WARNING, where + ": " + std::to_string(file.text_encoders.size()) +
                                " keys of text encoders are not used, for instance " +
                                file.text_encoders.front());
  log.log(HN_LOG_INFO,
          where + ": " + file.format + ", " + std::to_string(file.layers.size()) + " layers");
}

void report_lora_gaps(const LoraFile& file, const std::vector<std::string>& unfilled,
                      const HostServices& log) {
  if (unfilled.empty()) return;
  std::string names;
  for (const std::string& name : unfilled) names += "\n  " + name;
  log.log(HN_LOG_WARNING, "[adapter] " + file.path.string() + ": " +
                              std::to_string(unfilled.size()) +
                              " layers have no tensors in it and are left as they come:" + names);
}

std::vector<std::string> put_lora(Adapter& adapter, const LoraFile& file) {
  TensorProblems problems("[adapter] " + file.path.string());
  std::map<std::string, const LoraFile::Layer*> wanted;
  for (const LoraFile::Layer& layer : file.layers) wanted[layer.name] = &layer;
  const at::Tensor staged = at::zeros(adapter.values().sizes(), at::kFloat);
  const double scale = adapter.net().alpha / static_cast<double>(adapter.net().rank);
  std::set<std::string> filled, unfilled;
  for (const Adapter::Matrix& matrix : adapter.matrices()) {
    const bool is_a = matrix.name.ends_with(".lora_A.weight");
    const std::string name = matrix.name.substr(0, matrix.name.rfind(".lora_"));
    const auto found = wanted.find(name);
    if (found == wanted.end()) {
      unfilled.insert(name);
      continue;
    }
    const LoraFile::Layer& layer = *found->second;
    filled.insert(name);
    at::Tensor into = adapter.part(staged, matrix);
    // An alpha of 0 everywhere is the session's too.
    const double factor =
        scale == 0 ? 1.0 : layer.alpha / static_cast<double>(layer.rank()) / scale;
    at::Tensor from = is_a ? layer.a : layer.b * factor;
    if (const std::string bad = not_finite(from); !bad.empty())
      problems.add(name + ": " + (is_a ? "A" : "B") + " is not finite: " + bad);
    // Zeros beside A's rows meet zeros beside B's columns. A grouped B has its own rows a group, so
    // that a smaller rank cannot be filled up.
    const std::int64_t dimension = is_a ? 0 : 1;
    const bool grouped = !is_a && from.dim() == 4 && !layer.dense && from.size(1) != layer.rank();
    if (from.dim() != into.dim() || from.size(dimension) > into.size(dimension) ||
        (grouped && from.size(dimension) != into.size(dimension))) {
      problems.add(name + ": " + (is_a ? "A" : "B") + " " + size_text(from) +
                   " does not fit the session's " + size_text(into) + " (rank " +
                   std::to_string(adapter.net().rank) + ")");
      continue;
    }
    at::Tensor part = into.narrow(dimension, 0, from.size(dimension));
    if (part.sizes() != from.sizes()) {
      problems.add(name + ": " + (is_a ? "A" : "B") + " " + size_text(from) +
                   " does not fit the session's " + size_text(into));
      continue;
    }
    part.copy_(from);
  }
  for (const auto& [name, layer] : wanted)
    if (!filled.contains(name))
      problems.add(name + ": the session's adapter does not have this layer");
  problems.finish();
  adapter.values().copy_(staged);
  return {unfilled.begin(), unfilled.end()};
}

}  // namespace hn::core
