// torch.save's files: the zip archive and the file of pickles before it.
#include <hn/formats/torch_file.hpp>

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(torch_file) {
  using namespace hn;
  fuzz::folder();
  const auto path = fuzz::write("a.pt", input);
  for (const auto sums : {TorchFile::Checksums::kIndex, TorchFile::Checksums::kAll})
    fuzz::read([&] {
      const TorchFile file = TorchFile::open(path, sums);
      fuzz::require(looks_like_torch_file(path), "opens, and does not look like it");
      for (const StridedView& view : file.tensors()) {
        fuzz::touch(view.data, view.extent_bytes());
        fuzz::require(view.numel() >= 0 && view.strides.size() == view.shape.size(),
                      "broken: " + view.name);
        static_cast<void>(view.is_contiguous());
      }
    });
}
