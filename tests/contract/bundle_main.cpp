// contract_bundle BUNDLE [CHECK]: the contract suite on one bundle, one line a check; what `hnhost
// validate` does.
#include <cstdio>
#include <iostream>

#include "validate/bundle.hpp"

int main(int argc, char** argv) {
  using namespace hn::validate;
  if (argc < 2) {
    std::cerr << "usage: contract_bundle BUNDLE [CHECK]\n";
    return 2;
  }
  try {
    hn::host::HostOptions options;
#ifdef HN_CORE_FILE
    options.core_file = HN_CORE_FILE;
#endif
    hn::host::Host host(std::move(options));
    const Subject subject = subject_of(host, argv[1], "");
    Limits limits;
    if (argc > 2) limits.only = argv[2];
    const auto rows = run_suite(subject, limits);
    for (const Row& row : rows)
      std::printf("%-9s %-28s %-10s %6.2f s  %s\n", status_name(row.status), row.check.c_str(),
                  row.function.c_str(), row.seconds, row.text.c_str());
    return all_good(rows) ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
