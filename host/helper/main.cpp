// hnhost_helper: the process in which libhnhost runs what may crash, hang or end its process. Not
// for people; its verbs are in host/src/capi/helper.cpp.
#include "capi/helper.hpp"

int main(int argc, char** argv) { return hnhost_helper_main(argc, argv); }
