target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/parse.cpp
  ${CMAKE_CURRENT_LIST_DIR}/prompts.cpp
  ${CMAKE_CURRENT_LIST_DIR}/resolve.cpp
  ${CMAKE_CURRENT_LIST_DIR}/session_spec.cpp
  ${CMAKE_CURRENT_LIST_DIR}/training_prompts.cpp
  ${CMAKE_CURRENT_LIST_DIR}/write.cpp)
