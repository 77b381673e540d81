// OpenCLIP's names for the tensors of a CLIP model, told in Hugging Face's.
#pragma once

#include <hn/formats/weight_files.hpp>
#include <string>

namespace hn {

// Does the checkpoint have OpenCLIP's names (visual.conv1.weight)? OpenAI's are the same.
bool has_open_clip_names(const WeightFiles& files);

// The same tensors under the names of transformers' CLIPModel, which ClipTextTower and
// ClipVisionTower ask for. in_proj_weight becomes the three views q_proj, k_proj, v_proj; proj and
// text_projection, which OpenCLIP multiplies from the right, become transposed views. A prefix
// "module." of all names (left by distributed training) and "text." of a CustomTextCLIP are left
// out, as are the mask attn_mask and OpenAI's three size entries, which carry no weights. What is
// not part of the model keeps its name, so that WeightMap::finish() reports it.
//
// Source: open_clip 3.3 src/open_clip/{model.py,transformer.py}; transformers 5.23
// models/clip/convert_clip_original_pytorch_to_hf.py has the same pairs.
WeightFiles open_clip_as_hugging_face(const WeightFiles& files);

// One name of transformers' CLIPModel in OpenCLIP's spelling; itself where it has none.
std::string open_clip_spelling(const std::string& name);

}  // namespace hn
