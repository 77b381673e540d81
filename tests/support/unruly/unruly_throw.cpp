// What C cannot do.
#include <stdexcept>

extern "C" void unruly_throw() { throw std::runtime_error("thrown on purpose"); }
