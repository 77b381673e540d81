#include "core/noise_net_folder.hpp"

#include <ATen/ATen.h>

#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>
#include <nlohmann/json.hpp>

#include "core/sealed_file.hpp"
#include "core/tensor_io.hpp"

namespace hn::core {
namespace {

constexpr const char* kPart = "[noise net]";
constexpr const char* kWeights = "noise_net.safetensors";
constexpr const char* kConfig = "noise_net.json";
constexpr std::int64_t kVersion = 1;

// noise_net.json as it stands.
struct Description {
  NetSpec net;
  std::string base_generator;
  std::vector<std::int64_t> noise_shape;
  std::int64_t condition = 0;
};

template <class Enum, std::size_t N>
Enum one_of(JsonObject& object, const char* key,
            const std::array<std::pair<std::string_view, Enum>, N>& names,
            std::initializer_list<Enum> allowed) {
  const auto text = object.get<std::string>(key);
  std::string expected;
  for (const Enum each : allowed) {
    const std::string name = name_of(each, names);
    if (text == name) return each;
    expected += (expected.empty() ? "\"" : " or \"") + name + "\"";
  }
  object.fail(key, expected);
}

Description read_description(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kConfig;
  const nlohmann::json json = read_json_file(file);
  JsonObject object(json, std::string(kPart) + " " + file.string());
  const auto version = object.get<std::int64_t>("format_version");
  if (version != kVersion)
    throw Error(HN_UNSUPPORTED, object.where() + ": format_version: expected " +
                                    std::to_string(kVersion) + ", got " + std::to_string(version) +
                                    ": another release of hn wrote it");
  Description d;
  d.net.kind = one_of(object, "type", kNetKindNames, {NetKind::kLowFrequency, NetKind::kConstant});
  d.base_generator = object.get<std::string>("base_generator");
  d.noise_shape = object.get<std::vector<std::int64_t>>("noise_shape");
  if (d.net.kind == NetKind::kLowFrequency) {
    const auto count = [&](const char* key, std::int64_t least, std::int64_t most) {
      const auto value = object.get<std::int64_t>(key);
      if (value < least || value > most)
        object.fail(key, std::to_string(least) + " to " + std::to_string(most));
      return value;
    };
    d.net.frequencies = count("frequencies", 1, 65536);
    d.net.width = count("width", 1, 65536);
    d.net.depth = count("depth", 0, 64);
    d.net.condition = one_of(object, "condition", kNetConditionNames,
                             {NetCondition::kPooled, NetCondition::kNone});
    d.condition = count("condition_size", 0, std::int64_t{1} << 24);
  }
  object.finish();
  return d;
}

// The folder has a network of this kind, or it is said what it has.
Description read_of_kind(const std::filesystem::path& folder, NetKind kind) {
  const std::string wanted =
      is_lora(kind) ? "a LoRA (net.kind = \"" + name_of(kind) + "\")"
                    : "a noise network of type " + name_of(kind) + " (" + kConfig + ")";
  const auto other = [&](const std::string& got) {
    return Error(HN_INVALID_ARGUMENT, std::string(kPart) + " " + folder.string() + ": expected " +
                                          wanted + ", got " + got);
  };
  std::error_code ignored;
  if (!std::filesystem::exists(folder, ignored))
    throw Error(HN_NOT_FOUND, std::string(kPart) + " " + folder.string() + ": expected " + wanted +
                                  ", and there is no such folder");
  if (!is_noise_net_folder(folder)) {
    const bool lora = std::filesystem::is_regular_file(folder, ignored) ||
                      std::filesystem::exists(folder / "adapter_config.json", ignored) ||
                      std::filesystem::exists(folder / "adapter_model.safetensors", ignored);
    throw other(lora ? "a LoRA" : std::string("no ") + kConfig);
  }
  Description d = read_description(folder);
  if (d.net.kind != kind) throw other("a noise network of type " + name_of(d.net.kind));
  return d;
}

}  // namespace

bool is_noise_net_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder / kConfig, ignored);
}

void save_noise_net(const Adapter& adapter, const std::vector<std::int64_t>& noise_shape,
                    std::int64_t condition, const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed)
    throw Error(HN_INTERNAL, std::string(kPart) + " cannot make the folder " + folder.string() +
                                 ": " + failed.message());
  const NetSpec& net = adapter.net();
  TensorFile file;
  for (const Adapter::Matrix& matrix : adapter.matrices()) file.add(matrix.name, matrix.value);
  nlohmann::ordered_json config = {{"format_version", kVersion},
                                   {"type", name_of(net.kind)},
                                   {"base_generator", adapter.base_model()},
                                   {"noise_shape", noise_shape}};
  if (net.kind == NetKind::kLowFrequency) {
    config["frequencies"] = net.frequencies;
    config["width"] = net.width;
    config["depth"] = net.depth;
    config["condition"] = name_of(net.condition);
    config["condition_size"] = condition;
  }
  write_sealed(folder / kWeights, file.tensors(),
               {{"format", "pt"}, {"hn.net", name_of(net.kind)}});
  write_file_atomically(folder / kConfig, config.dump(2) + "\n");
}

NetSpec read_noise_net(const std::filesystem::path& folder, NetSpec net) {
  const Description d = read_of_kind(folder, net.kind);
  net.frequencies = d.net.frequencies;
  net.width = d.net.width;
  net.depth = d.net.depth;
  net.condition = d.net.condition;
  return net;
}

void load_noise_net(Adapter& adapter, const std::vector<std::int64_t>& noise_shape,
                    std::int64_t condition, const std::filesystem::path& folder,
                    const HostServices& log) {
  const NetSpec& net = adapter.net();
  const Description d = read_of_kind(folder, net.kind);
  TensorProblems problems(std::string(kPart) + " " + folder.string() + " (" + kConfig + ", " +
                          kWeights + ")");
  const auto compare = [&](const char* key, const auto& ours, const auto& theirs) {
    if (ours != theirs)
      problems.add(std::string(key) + ": the session has " + nlohmann::json(ours).dump() +
                   ", the folder " + nlohmann::json(theirs).dump());
  };
  compare("noise_shape", noise_shape, d.noise_shape);
  if (net.kind == NetKind::kLowFrequency) {
    compare("frequencies", net.frequencies, d.net.frequencies);
    compare("width", net.width, d.net.width);
    compare("depth", net.depth, d.net.depth);
    compare("condition", name_of(net.condition), name_of(d.net.condition));
    compare("condition_size", condition, d.condition);
  }
  const SafetensorsFile file = SafetensorsFile::open(folder / kWeights);
  check_seal(file, kPart);
  std::vector<ExpectedTensorInto> wanted;
  const at::Tensor staged = at::zeros(adapter.values().sizes(), at::kFloat);
  for (const Adapter::Matrix& matrix : adapter.matrices())
    wanted.push_back({matrix.name, adapter.part(staged, matrix)});
  read_tensors(file, wanted, problems, {kSealName});
  problems.finish();
  adapter.values().copy_(staged);
  if (d.base_generator != adapter.base_model())
    log.log(HN_LOG_WARNING, std::string(kPart) + " " + folder.string() + " was trained for " +
                                d.base_generator + ", and this is " + adapter.base_model());
}

}  // namespace hn::core
