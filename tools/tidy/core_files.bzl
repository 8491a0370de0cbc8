"""The pure core, found by following deps, so that nothing can be left out."""

_PACKAGES = ["raft", "raft/storage", "registry"]

CoreFilesInfo = provider(
    "Files of our own libraries under a target.",
    fields = {
        "archives": "depset of .a files",
        "sources": "depset of sources and headers",
    },
)

def _collect_impl(target, ctx):
    archives = []
    sources = []

    # Generated protobuf code is not ours: other kinds of rules are passed by.
    if ctx.rule.kind == "cc_library" and ctx.label.package in _PACKAGES and not ctx.label.workspace_name:
        archives = [f for f in target.files.to_list() if f.extension == "a"]
        for attribute in ("srcs", "hdrs", "textual_hdrs"):
            sources += getattr(ctx.rule.files, attribute, [])
    below = [
        dep[CoreFilesInfo]
        for dep in getattr(ctx.rule.attr, "deps", [])
        if CoreFilesInfo in dep
    ]
    return [CoreFilesInfo(
        archives = depset(archives, transitive = [b.archives for b in below]),
        sources = depset(sources, transitive = [b.sources for b in below]),
    )]

_collect = aspect(
    implementation = _collect_impl,
    attr_aspects = ["deps"],
)

def _core_files_impl(ctx):
    infos = [root[CoreFilesInfo] for root in ctx.attr.roots]
    files = depset(transitive = [i.archives for i in infos] + [i.sources for i in infos])
    return [DefaultInfo(files = files, runfiles = ctx.runfiles(transitive_files = files))]

# The archives and sources of `roots` and of all that they depend on, as far as
# they are libraries of raft/ and registry/.
core_files = rule(
    implementation = _core_files_impl,
    attrs = {"roots": attr.label_list(aspects = [_collect], mandatory = True)},
)
