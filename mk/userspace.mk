# SPDX-License-Identifier: GPL-2.0-only
#
# Shared rules of the userspace components.  A component's Makefile sets
#
#   NAME    what it is called; also its directory below build/obj
#   PROG    the program it links, empty for a library
#   SRCS    its sources, relative to its directory, main.c among them
#   PKGS    pkg-config packages it needs
#   LIBS    siblings it links as libraries, each before those it needs itself
#           (vmm lib); a program's library is all of it but main.c
#   STATIC  non-empty: link statically, and without the packages
#   TESTS   unit tests (cmocka), tests/test_*.c by default; each links every
#           source but main.c
#
# and includes this file.  `all` builds into build/, `unit` builds the same
# sources with ASan and UBSan into build/san and runs the tests.

MKDIR_ABS := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
TOP       := $(abspath $(MKDIR_ABS)/..)
BUILD     ?= $(TOP)/build
VERSION   := $(shell cat $(TOP)/VERSION)

CC        ?= gcc
WARN      := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes \
	     -Wshadow -Wvla -Wno-sign-compare -Wno-unused-parameter \
	     -Wno-missing-field-initializers
CFLAGS    ?= -O2 -g
BASE_CFLAGS := -std=gnu11 $(WARN) -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 \
	     -fstack-protector-strong -fno-common \
	     -DRUND_VERSION='"$(VERSION)"' -ffile-prefix-map=$(TOP)/= \
	     -I$(TOP)/userspace -I$(TOP)/include -I$(TOP)/include/uapi -I$(CURDIR)
SAN_CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	     -fno-omit-frame-pointer -U_FORTIFY_SOURCE -DRUND_UNIT_TEST=1

ifneq ($(PKGS),)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
PKG_LIBS   := $(shell pkg-config --libs $(PKGS))
endif

OBJ   := $(BUILD)/obj/$(NAME)
SAN   := $(BUILD)/san/$(NAME)
TESTS ?= $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))

objs      := $(SRCS:%.c=$(OBJ)/%.o)
san_objs  := $(filter-out $(SAN)/main.o,$(SRCS:%.c=$(SAN)/%.o))
lib_a     := $(foreach l,$(LIBS),$(BUILD)/obj/$l/lib$l.a)
san_lib_a := $(foreach l,$(LIBS),$(BUILD)/san/$l/lib$l.a)

.PHONY: all unit unit-build FORCE
.SECONDARY:
ifneq ($(PROG),)
all: $(BUILD)/bin/$(PROG)
else
all: $(OBJ)/lib$(NAME).a
endif

define sibling
$(BUILD)/obj/$1/lib$1.a: FORCE
	@$$(MAKE) --no-print-directory -C $(TOP)/userspace/$1 lib
$(BUILD)/san/$1/lib$1.a: FORCE
	@$$(MAKE) --no-print-directory -C $(TOP)/userspace/$1 san
endef
$(foreach l,$(LIBS),$(eval $(call sibling,$l)))

$(BUILD)/bin/$(PROG): $(objs) $(lib_a)
	@mkdir -p $(@D)
	@echo "  LD      $(@:$(TOP)/%=%)"
	@$(CC) $(CFLAGS) $(if $(STATIC),-static) -Wl,-z,relro,-z,now -pthread \
		-o $@ $^ $(PKG_LIBS) $(LDLIBS)

.PHONY: lib san
lib: $(OBJ)/lib$(NAME).a
$(OBJ)/lib$(NAME).a: $(filter-out $(OBJ)/main.o,$(objs))
	@rm -f $@ && $(AR) rcs $@ $^
san: $(SAN)/lib$(NAME).a
$(SAN)/lib$(NAME).a: $(san_objs)
	@rm -f $@ && $(AR) rcs $@ $^

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $(NAME)/$<"
	@$(CC) $(BASE_CFLAGS) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(SAN)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC SAN  $(NAME)/$<"
	@$(CC) $(BASE_CFLAGS) $(PKG_CFLAGS) $(SAN_CFLAGS) -MMD -MP -c -o $@ $<

$(SAN)/tests/%: $(SAN)/tests/%.o $(san_objs) $(san_lib_a)
	@$(CC) $(SAN_CFLAGS) -pthread -o $@ $^ $(PKG_LIBS) $(LDLIBS) -lcmocka $(TEST_LDFLAGS)

unit-build: $(TESTS:%=$(SAN)/tests/%)

unit: unit-build
	@set -e; for t in $(TESTS); do \
		echo "# unit $(NAME)/$$t"; \
		CMOCKA_MESSAGE_OUTPUT=TAP $(SAN)/tests/$$t; \
	done

-include $(shell find $(OBJ) $(SAN) -name '*.d' 2>/dev/null)
