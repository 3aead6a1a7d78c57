-- SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
-- SPDX-License-Identifier: Apache-2.0
local ext = get_current_extension_info()

project_ext(ext)

repo_build.prebuild_link {
    { "data", ext.target_dir.."/data" },
    { "docs", ext.target_dir.."/docs" },
    { "lyra", ext.target_dir.."/lyra" },
    { "standalone", ext.target_dir.."/standalone" },
}

-- The panel needs lyra_core's value types; the worker has its own environment.
repo_build.prebuild_copy {
    { "../../lyra_core", ext.target_dir.."/lyra_core" },
}
