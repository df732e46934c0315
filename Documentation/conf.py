# SPDX-License-Identifier: GPL-2.0-only
project = "RunD"
author = "The RunD developers"
copyright = "The RunD developers, GPL-2.0-only"
extensions = []
master_doc = "index"
exclude_patterns = ["man", "ABI"]
html_theme = "alabaster"
