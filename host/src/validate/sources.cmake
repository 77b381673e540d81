target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/buffer.cpp
  ${CMAKE_CURRENT_LIST_DIR}/bundle.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_backward.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_cond.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_entry.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_errors.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_forward.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_gradient.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_kind.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_plugin.cpp
  ${CMAKE_CURRENT_LIST_DIR}/checks_slots.cpp
  ${CMAKE_CURRENT_LIST_DIR}/child.cpp
  ${CMAKE_CURRENT_LIST_DIR}/compare.cpp
  ${CMAKE_CURRENT_LIST_DIR}/probe.cpp
  ${CMAKE_CURRENT_LIST_DIR}/services.cpp
  ${CMAKE_CURRENT_LIST_DIR}/suite.cpp)
