# What a folder of weights is, and which plugin can read it; the layers of a plugin that carry a LoRA.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/ask.cpp
  ${CMAKE_CURRENT_LIST_DIR}/describe.cpp
  ${CMAKE_CURRENT_LIST_DIR}/dry_run.cpp
  ${CMAKE_CURRENT_LIST_DIR}/layers.cpp)
target_link_libraries(hnhost_lib PRIVATE $<BUILD_INTERFACE:hn::formats>)
