// Sharded weights: an index and its shards, of safetensors or of torch checkpoints.
#include <hn/formats/weight_files.hpp>

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(weight_files) {
  using namespace hn;
  const auto parts = fuzz::parts_of(
      input, {"model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json",
              "a.safetensors", "b.safetensors", "a.bin", "b.bin"});
  const auto& folder = fuzz::write_parts(parts);
  fuzz::read([&] {
    const SafetensorsFolder files = SafetensorsFolder::open(folder);
    for (const std::string& name : files.names())
      fuzz::touch(files.at(name).data, files.at(name).nbytes);
  });
  fuzz::read([&] {
    const WeightFiles files = WeightFiles::open(folder);
    for (const std::string& name : files.names()) {
      const StridedView& view = files.at(name);
      fuzz::touch(view.data, view.extent_bytes());
      fuzz::require(files.keep_alive(name) != nullptr, "nothing keeps " + name);
    }
  });
}
