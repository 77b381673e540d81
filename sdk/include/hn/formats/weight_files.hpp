// The stored tensors of one model, whichever format they are in.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <hn/formats/safetensors.hpp>
#include <hn/formats/torch_file.hpp>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// Names to tensors over safetensors files, torch checkpoints, or shards of either; or a listing of
// names and shapes without data. Copies share the files. Any thread may read.
class WeightFiles {
 public:
  // `path` is a file (safetensors, or torch.save's .pt, .pth, .bin, .ckpt: by its content, where it
  // is not named .safetensors), an index .json of shards, or a folder. In a folder the first of
  // these is taken: a name of `preferred`, in that order; what SafetensorsFolder::open finds;
  // pytorch_model.bin, diffusion_pytorch_model.bin, adapter_model.bin, each also as
  // NAME.index.json; open_clip_model.safetensors, open_clip_pytorch_model.safetensors,
  // open_clip_pytorch_model.bin; the only weights file there is.
  //
  // Errors: HN_NOT_FOUND (nothing there; several unknown files and none preferred, all listed);
  // those of SafetensorsFile::open and TorchFile::open; HN_DATA_LOSS for an index that lies, and
  // for a tensor that two shards have with different contents.
  static WeightFiles open(const std::filesystem::path& path,
                          std::initializer_list<const char*> preferred = {});

  // The same tensors.
  WeightFiles(const SafetensorsFolder& folder);  // NOLINT: a folder is a special case of this
  explicit WeightFiles(const TorchFile& file);
  // Names, shapes and types alone, every `data` nullptr: what a checkpoint would have. `where`
  // stands for the path in messages.
  static WeightFiles listing(std::vector<StridedView> views, std::filesystem::path where);

  // The file, index or folder, for messages.
  const std::filesystem::path& path() const;
  std::vector<std::string> names() const;  // sorted
  std::size_t size() const;
  const StridedView* find(std::string_view name) const;  // nullptr where there is none
  const StridedView& at(std::string_view name) const;    // HN_NOT_FOUND with the nearest names
  // Keeps the mapping alive that holds `name`; errors as at().
  std::shared_ptr<const void> keep_alive(std::string_view name) const;
  // Gives the memory back that reading the tensor took (SafetensorsFile::release); errors as at().
  void release(std::string_view name) const;

  // One tensor under another name, perhaps a part of it or transposed.
  struct Renamed {
    std::string from;  // a name here
    StridedView view;  // inside that tensor; its name is the new one
  };
  // The same files under new names. `spelling` gives the name that a wanted tensor has, or would
  // have, in the file; messages say it. Errors: HN_DATA_LOSS where two get one name.
  WeightFiles renamed(std::vector<Renamed> views,
                      std::function<std::string(const std::string&)> spelling) const;
  // How the file spells `name`: itself, unless renamed.
  std::string spelling(const std::string& name) const;

 private:
  struct Entry {
    StridedView view;
    std::shared_ptr<const void> keep;
    std::function<void()> release;
  };
  struct State {
    std::filesystem::path path;
    std::map<std::string, Entry, std::less<>> tensors;
    std::function<std::string(const std::string&)> spelling;
  };
  explicit WeightFiles(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  static WeightFiles open_file(const std::filesystem::path& file);
  static WeightFiles open_index(const std::filesystem::path& index);
  const Entry& entry(std::string_view name) const;

  std::shared_ptr<const State> state_;
};

}  // namespace hn
