// A dry run of a model's loading: which tensors it wants and which a folder has, without reading
// them.
//
// A plugin that is created with device = "meta" and weights_report = FILE goes through its whole
// constructor with tensors that have a shape alone. Each component's WeightMap::finish() then adds
// one line of JSON to FILE instead of throwing, so that everything wrong with a folder is told at
// once:
//
//   {"model", "path", "tensors", "parameters", "missing": [], "wrong_shape": [], "unexpected": []}
//
// `hnhost inspect --weights` reads it (docs/weights.md). Nothing of this is part of the ABI.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hn {

struct WeightReport {
  std::string model;                          // the component's name in messages
  std::filesystem::path path;                 // the file, index or folder
  std::uint64_t tensors = 0, parameters = 0;  // wanted
  std::vector<std::string> missing, wrong_shape, unexpected;
};

// The loading that is going on in this thread is one that is only reported, to `file`; an empty
// path ends that. device_option() calls it for every plugin that is created, so it never outlives
// the next one.
void set_weight_report(std::filesystem::path file);
bool reporting_weights();
// Appends one line. HN_INTERNAL where the file cannot be written.
void add_weight_report(const WeightReport& report);

}  // namespace hn
