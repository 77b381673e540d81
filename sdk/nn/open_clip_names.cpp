#include <algorithm>
#include <array>
#include <hn/formats/dtype.hpp>
#include <hn/nn/open_clip_names.hpp>
#include <utility>

namespace hn {
namespace {

struct Pair {
  std::string_view open_clip, hugging_face;
};

// Whole names.
constexpr std::array<Pair, 14> kNames = {{
    {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"},
    {"visual.ln_pre.weight", "vision_model.pre_layrnorm.weight"},
    {"visual.ln_pre.bias", "vision_model.pre_layrnorm.bias"},
    {"visual.ln_post.weight", "vision_model.post_layernorm.weight"},
    {"visual.ln_post.bias", "vision_model.post_layernorm.bias"},
    {"visual.proj", "visual_projection.weight"},
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    {"ln_final.weight", "text_model.final_layer_norm.weight"},
    {"ln_final.bias", "text_model.final_layer_norm.bias"},
    {"text_projection", "text_projection.weight"},
    {"logit_scale", "logit_scale"},
}};
// The layers of both towers, PREFIX.N.
constexpr std::array<Pair, 2> kLayers = {{
    {"visual.transformer.resblocks.", "vision_model.encoder.layers."},
    {"transformer.resblocks.", "text_model.encoder.layers."},
}};
// Inside of a layer.
constexpr std::array<Pair, 10> kParts = {{
    {".ln_1.weight", ".layer_norm1.weight"},
    {".ln_1.bias", ".layer_norm1.bias"},
    {".ln_2.weight", ".layer_norm2.weight"},
    {".ln_2.bias", ".layer_norm2.bias"},
    {".attn.out_proj.weight", ".self_attn.out_proj.weight"},
    {".attn.out_proj.bias", ".self_attn.out_proj.bias"},
    {".mlp.c_fc.weight", ".mlp.fc1.weight"},
    {".mlp.c_fc.bias", ".mlp.fc1.bias"},
    {".mlp.c_proj.weight", ".mlp.fc2.weight"},
    {".mlp.c_proj.bias", ".mlp.fc2.bias"},
}};
constexpr std::array<std::string_view, 3> kProjections = {"q_proj", "k_proj", "v_proj"};
// Written by OpenAI's and by old OpenCLIP's checkpoints; they are known from the other tensors.
constexpr std::array<std::string_view, 4> kWithoutWeights = {"attn_mask", "input_resolution",
                                                             "context_length", "vocab_size"};

// "PREFIX12.rest" -> {"12", ".rest"}; an empty number where the name is not of this kind.
std::pair<std::string_view, std::string_view> layer_of(std::string_view name,
                                                       std::string_view prefix) {
  if (!name.starts_with(prefix)) return {};
  const std::string_view rest = name.substr(prefix.size());
  const std::size_t end = std::min(rest.find_first_not_of("0123456789"), rest.size());
  return {rest.substr(0, end), rest.substr(end)};
}

// Rows [third * d, (third + 1) * d) of a [3 d, ...] tensor.
StridedView third_of(const StridedView& whole, std::size_t third) {
  StridedView part = whole;
  part.shape[0] /= 3;
  if (part.data != nullptr)
    part.data += static_cast<std::uint64_t>(part.shape[0]) * third *
                 static_cast<std::uint64_t>(part.strides[0]) * (dtype_bits(part.dtype) / 8);
  return part;
}

void add_layer_part(const std::string& from, const StridedView& stored, const std::string& layer,
                    std::string_view part, std::vector<WeightFiles::Renamed>& out) {
  for (const std::string_view kind : {"weight", "bias"}) {
    if (part != ".attn.in_proj_" + std::string(kind) || stored.shape.empty() ||
        stored.shape[0] % 3 != 0)
      continue;
    for (std::size_t i = 0; i < kProjections.size(); ++i) {
      StridedView view = third_of(stored, i);
      view.name = layer + ".self_attn." + std::string(kProjections[i]) + "." + std::string(kind);
      out.push_back({from, std::move(view)});
    }
    return;
  }
  StridedView view = stored;
  view.name = from;
  for (const Pair& pair : kParts)
    if (part == pair.open_clip) view.name = layer + std::string(pair.hugging_face);
  out.push_back({from, std::move(view)});
}

bool add_layer(const std::string& from, std::string_view name, const StridedView& stored,
               std::vector<WeightFiles::Renamed>& out) {
  for (const Pair& tower : kLayers) {
    const auto [number, part] = layer_of(name, tower.open_clip);
    if (number.empty()) continue;
    add_layer_part(from, stored, std::string(tower.hugging_face) + std::string(number), part, out);
    return true;
  }
  return false;
}

}  // namespace

bool has_open_clip_names(const WeightFiles& files) {
  return files.find("visual.conv1.weight") != nullptr ||
         files.find("module.visual.conv1.weight") != nullptr;
}

WeightFiles open_clip_as_hugging_face(const WeightFiles& files) {
  constexpr std::string_view kModule = "module.", kText = "text.";
  const std::vector<std::string> names = files.names();
  const bool in_module = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return name.starts_with(kModule);
  });
  std::vector<WeightFiles::Renamed> views;
  for (const std::string& from : names) {
    std::string_view name = from;
    if (in_module) name.remove_prefix(kModule.size());
    if (name.starts_with(kText)) name.remove_prefix(kText.size());
    if (std::find(kWithoutWeights.begin(), kWithoutWeights.end(), name) != kWithoutWeights.end())
      continue;
    const StridedView& stored = files.at(from);
    if (add_layer(from, name, stored, views)) continue;
    StridedView view = stored;
    view.name = from;
    for (const Pair& pair : kNames)
      if (name == pair.open_clip) view.name = pair.hugging_face;
    if ((name == "visual.proj" || name == "text_projection") && view.shape.size() == 2) {
      std::swap(view.shape[0], view.shape[1]);
      std::swap(view.strides[0], view.strides[1]);
    }
    views.push_back({from, std::move(view)});
  }
  return files.renamed(std::move(views), open_clip_spelling);
}

std::string open_clip_spelling(const std::string& name) {
  for (const Pair& pair : kNames)
    if (name == pair.hugging_face) return std::string(pair.open_clip);
  for (const Pair& tower : kLayers) {
    const auto [number, part] = layer_of(name, tower.hugging_face);
    if (number.empty()) continue;
    const std::string layer = std::string(tower.open_clip) + std::string(number);
    for (const Pair& pair : kParts)
      if (part == pair.hugging_face) return layer + std::string(pair.open_clip);
    for (const std::string_view projection : kProjections)
      for (const std::string_view kind : {"weight", "bias"})
        if (part == ".self_attn." + std::string(projection) + "." + std::string(kind))
          return layer + ".attn.in_proj_" + std::string(kind);
  }
  return name;
}

}  // namespace hn
