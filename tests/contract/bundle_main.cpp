// contract_bundle BUNDLE [OPTIONS [CHECK]]: the contract suite on one bundle, one line a check;
// what `hnhost validate` does. OPTIONS: TOML lines, as those of create and open.
#include <cstdio>
#include <iostream>

#include "support/toml_table.hpp"
#include "validate/bundle.hpp"

int main(int argc, char** argv) {
  using namespace hn::validate;
  if (argc < 2) {
    std::cerr << "usage: contract_bundle BUNDLE [OPTIONS [CHECK]]\n";
    return 2;
  }
  try {
    hn::host::HostOptions options;
#ifdef HN_CORE_FILE
    options.core_file = HN_CORE_FILE;
#endif
    hn::host::Host host(std::move(options));
    auto table = hn::host::TomlTable::parse(
        "[options]\n" + std::string(argc > 2 ? argv[2] : "") + "\n", "OPTIONS");
    const Subject subject = subject_of(host, argv[1], table.find_options("options"));
    Plan plan;
    if (argc > 3) plan.checks = {argv[3]};
    const auto rows = run_suite(subject, plan);
    for (const Row& row : rows)
      std::printf("%-9s %-28s %-10s %6.2f s  %s\n", status_name(row.status), row.check.c_str(),
                  row.function.c_str(), row.seconds, row.text.c_str());
    return all_good(rows) ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
