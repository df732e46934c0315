#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest series patch by patch.  After each one the guest kernel links; what the
# series touches builds without a warning of W=1 or sparse that the bare source has
# not, in the guest's configuration, in that without frozen text, and in that with
# everything that writes text; and so for Coccinelle after the last.
. "$(dirname "$0")/../../selftests/lib/ktap.sh"
. "$(dirname "$0")/steps.sh"
use_series guest

frozen() { expect_config '^CONFIG_FROZEN_TEXT=y$'; }

test_guest_links() {
	configure guest
	each_step links
	frozen
}

test_guest_no_new_warning() {
	configure guest
	each_step compiles_clean
	frozen
}

test_plain_no_new_warning() {
	configure guest guest-plain
	each_step compiles_clean
	expect_config '^# CONFIG_FROZEN_TEXT is not set$'
}

test_full_no_new_warning() {
	configure guest guest-full
	each_step compiles_clean
	frozen
	expect_config '^CONFIG_FROZEN_TEXT_KUNIT_TEST=y$'
}

test_coccinelle_no_new_report() { coccinelle_no_new_report; }

ktap_main "$@"
