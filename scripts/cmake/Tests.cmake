# What takes so long hangs. Far more than any test needs alone: a machine may be busy with other things.
set(GPT_TEST_LIMIT 1800)

# Tests of a binary, one by one, as LABEL.SUITE.TEST; more arguments are properties. Discovery is at test
# time: after each link it would load LibTorch in the inner loop.
function(gpt_discover_tests target label)
  gtest_discover_tests(${target} TEST_PREFIX ${label}. DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT ${GPT_TEST_LIMIT} PROPERTIES TIMEOUT ${GPT_TEST_LIMIT} LABELS ${label} ${ARGN})
endfunction()
