# What hnhost_open makes, and the hooks of a call.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/hooks.cpp
  ${CMAKE_CURRENT_LIST_DIR}/host.cpp)
