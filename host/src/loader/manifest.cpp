#include "loader/manifest.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <set>

#include "loader/manifest_parts.hpp"
#include "support/cat.hpp"
#include "support/files.hpp"
#include "support/nearest.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

constexpr std::uint64_t kMaxManifestBytes = 1u << 20;

void check_id(const TomlTable& table, const std::string& id) {
  check_name(table, "id", id);
  if (id.find('.') == std::string::npos || id.back() == '.' || id.find("..") != std::string::npos)
    table.fail("id",
               cat("expected a reverse domain such as \"org.example.reward.x\", got '", id, "'"));
}

void check_version(const TomlTable& table, const std::string& version) {
  int dots = 0;
  bool digit_before = false, good = true;
  for (const char c : version.substr(0, version.find_first_of("-+"))) {
    if (c == '.') {
      good = good && digit_before;
      ++dots;
    } else if (c < '0' || c > '9') {
      good = false;
    }
    digit_before = c != '.';
  }
  if (!good || dots != 2 || !digit_before)
    table.fail("version", cat("expected MAJOR.MINOR.PATCH, got '", version, "'"));
}

void read_head(TomlTable& top, Manifest& m) {
  const std::int64_t schema = top.need_i64("schema");
  if (schema != 1) top.fail("schema", cat("expected 1, got ", schema));
  m.id = top.need_str("id");
  check_id(top, m.id);
  m.version = top.need_str("version");
  check_version(top, m.version);
  const std::string kind = top.need_str("kind");
  if (kind != "reward" && kind != "generator")
    top.fail("kind", cat("expected \"reward\" or \"generator\", got '", kind, "'",
                         suggestion(kind, {"reward", "generator"})));
  m.kind = kind == "reward" ? PluginKind::kReward : PluginKind::kGenerator;
  m.name = read_name(top, "name");
  m.aliases = read_names(top, "aliases");
  m.summary = top.need_str("summary");
  if (m.summary.empty() || m.summary.find('\n') != std::string::npos)
    top.fail("summary", "expected one line of text");
  m.licence = top.need_str("licence");
  m.functions = top.find_list("functions").value_or(std::vector<std::string>());
  for (const std::string& function : m.functions)
    check_word(top, "functions", function, {"score", "generate", "noise_net", "decode", "encode"},
               m);
  const std::string needed = m.kind == PluginKind::kReward ? "score" : "generate";
  if (std::find(m.functions.begin(), m.functions.end(), needed) == m.functions.end())
    top.fail(top.has("functions") ? "functions" : "",
             cat("expected functions of a ", kind, " to hold \"", needed, "\""));
}

void read_source_and_capabilities(TomlTable& top, Manifest& m) {
  if (auto source = top.find_table("source")) {
    m.paper = source->find_str("paper").value_or("");
    m.repository = source->find_str("repository").value_or("");
    m.commit = source->find_str("commit").value_or("");
    source->finish();
  }
  if (auto capabilities = top.find_table("capabilities")) {
    m.differentiable = capabilities->find_bool("differentiable").value_or(true);
    m.streams = capabilities->find_bool("streams").value_or(false);
    if (auto devices = capabilities->find_list("devices")) m.devices = *std::move(devices);
    if (auto dtypes = capabilities->find_list("dtypes")) m.dtypes = *std::move(dtypes);
    capabilities->finish();
  }
}

constexpr const char* kBuildTables[] = {"abi", "library", "requires"};

// [abi], [library.<platform>] and [requires]: what hn_add_plugin appends.
void read_build_tables(TomlTable& top, Manifest& m) {
  if (std::none_of(std::begin(kBuildTables), std::end(kBuildTables),
                   [&](const char* table) { return top.has(table); }))
    top.fail("", cat("this is a plugin's source, not built yet (the build writes [abi], "
                     "[library.*] and [requires]): build first, then name the bundle, "
                     "build/lib/hn/plugins/",
                     m.name, ".hnp"));
  TomlTable abi = top.need_table("abi");
  m.abi_major = abi.need_i64("major");
  m.abi_min_minor = abi.need_i64("min_minor");
  if (m.abi_major < 1) abi.fail("major", cat("expected 1 or more, got ", m.abi_major));
  if (m.abi_min_minor < 0) abi.fail("min_minor", cat("expected 0 or more, got ", m.abi_min_minor));
  abi.finish();

  TomlTable libraries = top.need_table("library");
  for (const std::string& platform : libraries.keys()) {
    TomlTable library = libraries.need_table(platform);
    const std::string file = library.need_str("file");
    check_inside(library, "file", file);
    const std::string sha256 = library.need_str("sha256");
    check_sha256(library, "sha256", sha256);
    library.finish();
    if (platform != platform_name()) continue;
    m.library = m.bundle / file;
    m.library_sha256 = sha256;
  }

  TomlTable needs = top.need_table("requires");
  m.libtorch = needs.need_str("libtorch");
  const bool id = m.libtorch.size() >= 8 &&
                  m.libtorch.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (m.libtorch != "none" && !id)
    needs.fail("libtorch",
               cat("expected \"none\" or a build id in hex digits, got '", m.libtorch, "'"));
  m.glibc = needs.find_str("glibc").value_or("");
  m.cuda = needs.find_str("cuda").value_or("");
  needs.finish();
}

void read_models(TomlTable& top, Manifest& m) {
  std::set<std::string> names;
  bool has_default = false;
  for (TomlTable& table : top.find_tables("models")) {
    ModelSpec model = read_model(table, m, m.bundle, true);
    model.defined_in = m.bundle / "plugin.toml";
    std::vector<std::string> own = model.aliases;
    own.push_back(model.name);
    for (const std::string& name : own)
      if (!names.insert(name).second) table.fail("name", cat("'", name, "' is given twice"));
    if (model.is_default && has_default) table.fail("default", "only one model can be the default");
    has_default = has_default || model.is_default;
    m.models.push_back(std::move(model));
  }
  if (m.kind == PluginKind::kGenerator && m.models.empty())
    top.fail("", "expected at least one [[models]] entry for a generator");
  if (m.models.size() == 1) m.models[0].is_default = true;
}

// A link may lead to another place in the bundle. Where a tool put a link for every file (GNU stow,
// Nix), the bundle is where its manifest really stands.
void check_library_inside(const Manifest& m, const std::filesystem::path& file) {
  std::error_code failed;
  const auto real = [&](const std::filesystem::path& path) {
    return std::filesystem::canonical(path, failed);
  };
  const auto below = [](const std::filesystem::path& path, const std::filesystem::path& folder) {
    return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
           folder.end();
  };
  const bool plain = m.library.parent_path() == m.bundle &&
                     !std::filesystem::is_symlink(m.library, failed);  // the usual case is quick
  if (plain) return;
  const std::filesystem::path library = real(m.library);
  if (!failed && (below(library, real(m.bundle)) || below(library, real(file).parent_path())))
    return;
  throw Error(HN_INVALID_ARGUMENT,
              cat(file.string(), ": its library ", m.library.string(),
                  " leads out of the bundle, to ", failed ? "nowhere" : library.string(),
                  "; what runs must be in the bundle: put a copy there"));
}

// [x."org.example"]: tables of third parties, which no hn reads.
void read_third_parties(TomlTable& top) {
  auto all = top.find_table("x");
  if (!all) return;
  for (const std::string& name : all->keys()) {
    if (name.find('.') == std::string::npos)
      all->object(name, "expected a reverse domain in quotes: [x.\"org.example\"]");
    all->find_table(name);
  }
}

// After everything was read: what the author says must not be passed over.
void check_must_understand(TomlTable& top) {
  const auto paths = top.find_list("must_understand");
  if (!paths) return;
  for (const std::string& path : *paths) {
    if (path == "x" || path.starts_with("x."))
      top.fail("must_understand", cat("'", path, "': x is for third parties, no hn reads it"));
    if (!top.stands(path))
      top.fail("must_understand",
               cat("no key '", path,
                   "' stands in this file; one of a table is \"reward.min\", one "
                   "of the entries of [[options]] \"options.key\""));
    if (!top.understood(path))
      top.fail("must_understand", cat("this hn does not know '", path,
                                      "', and the plugin must not run without it: a "
                                      "newer hn is needed"));
  }
}

// Everything that its author writes.
void read_author_tables(TomlTable& top, Manifest& m) {
  read_head(top, m);
  read_source_and_capabilities(top, m);
  if (m.kind == PluginKind::kReward) {
    m.reward = read_reward(top.need_table("reward"), nullptr);
  } else if (top.has("reward")) {
    top.fail("reward", "only a reward has this table");
  }
  for (TomlTable& table : top.find_tables("options")) {
    OptionSpec option = read_option(table, m);
    for (const OptionSpec& other : m.options)
      if (other.key == option.key) table.fail("key", cat("'", option.key, "' is given twice"));
    m.options.push_back(std::move(option));
  }
  for (TomlTable& table : top.find_tables("weights")) m.weights.push_back(read_weight_file(table));
  read_models(top, m);
  read_self_test(top, m);
  read_third_parties(top);
}

}  // namespace

std::string_view kind_name(PluginKind kind) {
  return kind == PluginKind::kReward ? "reward" : "generator";
}

std::string_view platform_name() {
#if defined(__linux__) && defined(__x86_64__)
  return "linux-x86_64";
#elif defined(__linux__) && defined(__aarch64__)
  return "linux-aarch64";
#elif defined(__linux__) && defined(__riscv) && __riscv_xlen == 64
  return "linux-riscv64";
#elif defined(__linux__) && defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return "linux-ppc64le";
#else
  return "unknown";
#endif
}

const ModelSpec* Manifest::default_model() const {
  for (const ModelSpec& model : models)
    if (model.is_default) return &model;
  return nullptr;
}

void check_author_manifest(const std::filesystem::path& file, PluginKind kind) {
  Manifest m;
  m.bundle = tidy(file).parent_path();
  TomlTable top = TomlTable::parse(read_file(file, kMaxManifestBytes), file.string());
  for (const char* table : kBuildTables)
    if (top.has(table))
      top.fail(table, "the build writes this table (hn_add_plugin): take it out of the source");
  read_author_tables(top, m);
  if (m.kind != kind)
    top.fail("kind", cat("expected \"", kind_name(kind), "\" as in hn_add_plugin, got \"",
                         kind_name(m.kind), "\""));
  check_must_understand(top);
  top.finish();
}

Manifest read_manifest(const std::filesystem::path& bundle, Reading reading) {
  std::error_code ignored;
  if (!std::filesystem::exists(bundle, ignored))
    throw Error(HN_NOT_FOUND, cat(bundle.string(), ": no such bundle"));
  if (!std::filesystem::is_directory(bundle, ignored))
    throw Error(HN_INVALID_ARGUMENT,
                cat(bundle.string(), ": expected a folder with plugin.toml in it, got a file"));
  Manifest m;
  m.bundle = tidy(bundle);
  const std::filesystem::path file = m.bundle / "plugin.toml";
  TomlTable top = TomlTable::parse(read_file(file, kMaxManifestBytes), file.string());

  if (reading == Reading::kTolerant) top.tolerate();
  read_author_tables(top, m);
  read_build_tables(top, m);
  check_must_understand(top);
  top.finish();
  m.notes = top.notes();

  if (m.library.empty())
    throw Error(HN_NOT_FOUND, cat(file.string(), ": no library for this platform ([library.",
                                  platform_name(), "])"));
  if (!std::filesystem::is_regular_file(m.library, ignored))
    throw Error(HN_NOT_FOUND,
                cat(file.string(), ": its library ", m.library.string(), " does not exist"));
  check_library_inside(m, file);
  return m;
}

std::vector<UserModel> read_user_models(const std::filesystem::path& file, const FindPlugin& find) {
  TomlTable top = TomlTable::parse(read_file(file, kMaxManifestBytes), file.string());
  const std::int64_t schema = top.need_i64("schema");
  if (schema != 1) top.fail("schema", cat("expected 1, got ", schema));
  std::vector<UserModel> models;
  for (TomlTable& table : top.find_tables("models")) {
    UserModel user;
    const std::string plugin = table.need_str("plugin");
    try {
      user.plugin = find(plugin);
    } catch (const Error& e) {
      table.fail("plugin", e.what());
    }
    user.model =
        read_model(table, *user.plugin, std::filesystem::absolute(file).parent_path(), false);
    user.model.defined_in = file;
    if (user.model.is_default)
      table.fail("default", "the default model of a plugin is chosen by its own manifest");
    models.push_back(std::move(user));
  }
  top.finish();
  return models;
}

}  // namespace hn::host
