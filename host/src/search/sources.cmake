# Search for better noise at test time: one file a method, and what they see of a session.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/../core/random.cpp  # the core has it too
  ${CMAKE_CURRENT_LIST_DIR}/best_of_n.cpp
  ${CMAKE_CURRENT_LIST_DIR}/langevin.cpp
  ${CMAKE_CURRENT_LIST_DIR}/methods.cpp
  ${CMAKE_CURRENT_LIST_DIR}/random_search.cpp
  ${CMAKE_CURRENT_LIST_DIR}/reno.cpp
  ${CMAKE_CURRENT_LIST_DIR}/session_objective.cpp
  ${CMAKE_CURRENT_LIST_DIR}/zeroth_order.cpp)
