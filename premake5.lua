-- SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
-- SPDX-License-Identifier: Apache-2.0
-- Top level for repo_build (kit-app-template 110): the workspace here, each extension in its own premake5.lua.
-- Not needed to use the extension: --ext-folder exts is enough.
repo_build = require("omni/repo/build")
root = repo_build.get_abs_path(".")

kit = require("_repo/deps/repo_kit_tools/kit-template/premake5-kit")
kit.setup_all({ cppdialect = "C++17" })

for _, script in ipairs(os.matchfiles(root.."/exts/*/premake5.lua")) do
    include(script)
end
