/* The whole ABI, version 1. A plugin author needs no other header of the contract. */
#ifndef HN_HN_H
#define HN_HN_H

#include <hn/abi.h>
#include <hn/adapter.h>
#include <hn/cond.h>
#include <hn/error.h>
#include <hn/fn.h>
#include <hn/host.h>
#include <hn/memory.h>
#include <hn/plugin.h>
#include <hn/status.h>
#include <hn/str.h>
#include <hn/stream.h>
#include <hn/tensor.h>
#include <hn/weights_audit.h>

#endif
