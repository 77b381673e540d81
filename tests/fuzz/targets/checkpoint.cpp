// Sealed files, which checkpoints are. No mutation gets past the seal, so a file that is
// safetensors is sealed anew: that has to open, and one byte of it changed has not to.
#include <fstream>
#include <iterator>

#include "core/sealed_file.hpp"
#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(checkpoint) {
  using namespace hn;
  fuzz::folder();
  const auto path = fuzz::write("checkpoint.safetensors", input);
  fuzz::read([&] { core::check_seal(SafetensorsFile::open(path)); });
  fuzz::read([&] {
    const SafetensorsFile file = SafetensorsFile::open(path);
    std::vector<TensorToWrite> tensors;
    for (const TensorView& view : file.tensors())
      if (dtype_bits(view.dtype) > 8 && view.name != core::kSealName)
        tensors.push_back({view.name, view.dtype, view.shape, view.data, view.nbytes});
    const auto sealed = fuzz::folder(false) / "sealed.safetensors";
    core::write_sealed(sealed, tensors, file.metadata());
    core::check_seal(SafetensorsFile::open(sealed));
    std::ifstream stream(sealed, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    bytes[std::hash<std::string_view>()(input) % bytes.size()] ^= 1;
    const auto changed = fuzz::write("changed.safetensors", bytes);
    fuzz::require(!fuzz::read([&] { core::check_seal(SafetensorsFile::open(changed)); }),
                  "a changed byte was not told");
  });
}
