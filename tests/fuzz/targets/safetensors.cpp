// One safetensors file; what was read is written, and is the same.
#include <hn/formats/safetensors.hpp>

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(safetensors) {
  using namespace hn;
  fuzz::folder();
  const auto path = fuzz::write("a.safetensors", input);
  fuzz::read([&] {
    const SafetensorsFile file = SafetensorsFile::open(path);
    fuzz::require(is_safetensors_file(path), "opens, and does not look like it");
    std::vector<TensorToWrite> tensors;
    for (const TensorView& view : file.tensors()) {
      fuzz::touch(view.data, view.nbytes);
      fuzz::require(view.numel() >= 0 && file.find(view.name) == &view, "lost: " + view.name);
      tensors.push_back({view.name, view.dtype, view.shape, view.data, view.nbytes});
    }
    const auto again = fuzz::folder(false) / "b.safetensors";
    write_safetensors(again, tensors, file.metadata());
    const SafetensorsFile copy = SafetensorsFile::open(again);
    fuzz::require(copy.metadata() == file.metadata(), "other metadata");
    fuzz::require(copy.tensors().size() == tensors.size(), "another number of tensors");
    for (const TensorView& view : file.tensors()) {
      const TensorView& other = copy.at(view.name);
      fuzz::require(
          other.dtype == view.dtype && other.shape == view.shape &&
              std::equal(view.data, view.data + view.nbytes, other.data, other.data + other.nbytes),
          "another tensor: " + view.name);
    }
  });
}
