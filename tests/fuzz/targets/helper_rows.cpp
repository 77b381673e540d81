// Rows of the contract suite as a helper process says them, in which a plugin runs.
#include "fuzz/fuzz.hpp"
#include "validate/helper_row.hpp"

HN_FUZZ_TARGET(helper_rows) {
  hn::fuzz::read([&] {
    const auto row = hn::validate::read_helper_row(input, 12);
    hn::fuzz::require(row.job < 12, "a job that there is not");
    hn::fuzz::require(row.status == hn::validate::status_of(status_name(row.status)),
                      "a status that has no name");
  });
}
