target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/basics.cpp)
