# The roof: every function of hnhost.h.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/basics.cpp
  ${CMAKE_CURRENT_LIST_DIR}/helper.cpp
  ${CMAKE_CURRENT_LIST_DIR}/inspect.cpp
  ${CMAKE_CURRENT_LIST_DIR}/listing.cpp
  ${CMAKE_CURRENT_LIST_DIR}/pull.cpp
  ${CMAKE_CURRENT_LIST_DIR}/running.cpp
  ${CMAKE_CURRENT_LIST_DIR}/runs.cpp
  ${CMAKE_CURRENT_LIST_DIR}/scorer.cpp
  ${CMAKE_CURRENT_LIST_DIR}/selftest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/session.cpp
  ${CMAKE_CURRENT_LIST_DIR}/session_call.cpp
  ${CMAKE_CURRENT_LIST_DIR}/session_tensors.cpp
  ${CMAKE_CURRENT_LIST_DIR}/tensors.cpp
  ${CMAKE_CURRENT_LIST_DIR}/validate.cpp)
