# Rewards looked at for what a bad install does.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/checks.cpp
  ${CMAKE_CURRENT_LIST_DIR}/selftest.cpp)
