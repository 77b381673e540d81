#include <hn/nn/weight_audit.hpp>

#include <fstream>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

namespace hn {
namespace {

std::filesystem::path& report_file() {
  thread_local std::filesystem::path file;
  return file;
}

}  // namespace

void set_weight_report(std::filesystem::path file) { report_file() = std::move(file); }

bool reporting_weights() { return !report_file().empty(); }

void add_weight_report(const WeightReport& report) {
  const nlohmann::ordered_json line = {
      {"model", report.model},          {"path", report.path.string()},
      {"tensors", report.tensors},      {"parameters", report.parameters},
      {"missing", report.missing},      {"wrong_shape", report.wrong_shape},
      {"unexpected", report.unexpected}};
  using Json = nlohmann::ordered_json;
  std::ofstream out(report_file(), std::ios::app | std::ios::binary);
  out << line.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
  out.flush();
  if (!out)
    throw Error(HN_INTERNAL, "[weights_report] " + report_file().string() + " cannot be written");
}

}  // namespace hn
