//! The files of a crate and the paths that each of them uses, read with `syn`.
//!
//! Files are found as the compiler finds them, by the `mod` declarations from `lib.rs` on. Whatever
//! stands under `#[cfg(test)]` is left out, wherever it stands; all other code counts, macro
//! arguments and attributes included. Paths are made absolute: through `super`, `self`, names that a
//! `use` brought in, and modules that the file declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Meta, Token, UseTree};

/// One source file of a crate.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path below `src`.
    pub(crate) file: PathBuf,
    /// Absolute path of the module: `crate::kernel::legs`.
    pub(crate) module: String,
    /// Absolute paths that the file uses, outside its tests.
    pub(crate) uses: BTreeSet<String>,
}

/// Reads the files of the library whose sources are in `src`. `crates` are the names of the crates
/// that it depends on.
pub(crate) fn read(src: &Path, crates: &[String]) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut waiting = vec![(PathBuf::from("lib.rs"), vec!["crate".to_owned()])];
    while let Some((file, module)) = waiting.pop() {
        let text = fs::read_to_string(src.join(&file)).unwrap();
        let parsed = Parsed::of(&text);
        let below = if module.len() == 1 { PathBuf::new() } else { file.with_extension("") };
        for child in &parsed.children {
            let module = [&module[..], std::slice::from_ref(child)].concat();
            waiting.push((below.join(format!("{child}.rs")), module));
        }
        let uses = parsed.uses(&module, crates);
        sources.push(Source { file, module: module.join("::"), uses });
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    sources
}

/// Returns the absolute paths that a text uses as the module `module`.
pub(crate) fn uses(text: &str, module: &str, crates: &[String]) -> BTreeSet<String> {
    let module: Vec<String> = module.split("::").map(str::to_owned).collect();
    Parsed::of(text).uses(&module, crates)
}

/// Segments of a path.
type Segments = Vec<String>;

/// What one file says, paths as they are written.
#[derive(Default)]
struct Parsed {
    /// Modules in files of their own.
    children: BTreeSet<String>,
    /// What the names stand for that `use` brought in.
    names: BTreeMap<String, Segments>,
    /// Every path of two segments or more, and every one of a `use`.
    paths: Vec<Segments>,
}

impl Parsed {
    fn of(text: &str) -> Parsed {
        let file = syn::parse_file(text).unwrap();
        let mut parsed = Parsed::default();
        parsed.visit_file(&file);
        parsed
    }

    fn uses(&self, module: &[String], crates: &[String]) -> BTreeSet<String> {
        let absolute = |path: &Segments| self.absolute(path, module, crates, 0);
        self.paths.iter().filter_map(absolute).map(|path| path.join("::")).collect()
    }

    /// Makes a path absolute. `None` if it begins with a name that no `use` brought in: a type of
    /// this file, a type parameter, or a name of the prelude.
    fn absolute(
        &self,
        path: &[String],
        module: &[String],
        crates: &[String],
        depth: usize,
    ) -> Option<Segments> {
        let (first, rest) = path.split_first()?;
        if first == "self" || first == "super" {
            let end = module.len().checked_sub(usize::from(first == "super"))?;
            let outer = &module[..end];
            return match rest.first() {
                Some(next) if next == "super" => self.absolute(rest, outer, crates, depth),
                Some(_) | None => Some([outer, rest].concat()),
            };
        }
        if self.children.contains(first) {
            return Some([module, path].concat());
        }
        let named = self.names.get(first).filter(|named| named.first() != Some(first));
        if let Some(named) = named.filter(|_| depth < 8) {
            return self.absolute(&[named, rest].concat(), module, crates, depth + 1);
        }
        (first == "crate" || crates.contains(first)).then(|| path.to_vec())
    }

    /// Adds every path of a `use`; `before` are the segments that stand before the tree.
    fn add_tree(&mut self, before: &mut Segments, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(text(&path.ident));
                self.add_tree(before, &path.tree);
                before.pop();
            }
            UseTree::Name(name) => self.add_name(before, &text(&name.ident), None),
            UseTree::Rename(name) => {
                self.add_name(before, &text(&name.ident), Some(text(&name.rename)));
            }
            UseTree::Glob(_) => self.paths.push([&before[..], &["*".to_owned()]].concat()),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_tree(before, tree));
            }
        }
    }

    fn add_name(&mut self, before: &Segments, name: &str, renamed: Option<String>) {
        let mut path = before.clone();
        if name != "self" || path.is_empty() {
            path.push(name.to_owned());
        }
        let last = path.last().cloned();
        if let Some(name) = renamed.or(last) {
            self.names.insert(name, path.clone());
        }
        self.paths.push(path);
    }

    /// Adds the paths in tokens that `syn` does not parse: arguments of macros and attributes.
    fn add_tokens(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        while !input.is_empty() {
            let content;
            if input.peek(Ident::peek_any) {
                let mut path = vec![text(&Ident::parse_any(input)?)];
                while input.peek(Token![::]) {
                    input.parse::<Token![::]>()?;
                    if !input.peek(Ident::peek_any) {
                        break;
                    }
                    path.push(text(&Ident::parse_any(input)?));
                }
                self.add_path(path);
            } else if input.peek(syn::token::Paren) {
                syn::parenthesized!(content in input);
                self.add_tokens(&content)?;
            } else if input.peek(syn::token::Bracket) {
                syn::bracketed!(content in input);
                self.add_tokens(&content)?;
            } else if input.peek(syn::token::Brace) {
                syn::braced!(content in input);
                self.add_tokens(&content)?;
            } else {
                input.step(|cursor| match cursor.token_tree() {
                    Some((_, rest)) => Ok(((), rest)),
                    None => Err(cursor.error("a token was expected")),
                })?;
            }
        }
        Ok(())
    }

    fn add_path(&mut self, path: Segments) {
        if 1 < path.len() {
            self.paths.push(path);
        }
    }
}

fn text(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Whether the code behind these attributes exists in tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && list.parse_args::<Meta>().is_ok_and(|of| needs_test(&of))
    })
}

/// Whether a predicate of `cfg` holds in tests alone.
fn needs_test(predicate: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        let parse = syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated;
        list.parse_args_with(parse).unwrap_or_default()
    };
    match predicate {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => parts(list).iter().any(needs_test),
        Meta::List(list) if list.path.is_ident("any") => parts(list).iter().all(needs_test),
        Meta::List(_) | Meta::NameValue(_) => false,
    }
}

/// Visits these kinds of code unless they are there for tests alone.
macro_rules! without_tests {
    ($($visit:ident: $kind:ident),* $(,)?) => {
        $(fn $visit(&mut self, code: &'ast syn::$kind) {
            if !is_test(&code.attrs) {
                visit::$visit(self, code);
            }
        })*
    };
}

impl<'ast> Visit<'ast> for Parsed {
    without_tests! {
        visit_arm: Arm,
        visit_expr_block: ExprBlock,
        visit_field: Field,
        visit_file: File,
        visit_impl_item_const: ImplItemConst,
        visit_impl_item_fn: ImplItemFn,
        visit_impl_item_type: ImplItemType,
        visit_item_const: ItemConst,
        visit_item_enum: ItemEnum,
        visit_item_fn: ItemFn,
        visit_item_impl: ItemImpl,
        visit_item_macro: ItemMacro,
        visit_item_static: ItemStatic,
        visit_item_struct: ItemStruct,
        visit_item_trait: ItemTrait,
        visit_item_type: ItemType,
        visit_local: Local,
        visit_stmt_macro: StmtMacro,
        visit_trait_item_const: TraitItemConst,
        visit_trait_item_fn: TraitItemFn,
        visit_variant: Variant,
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_test(&module.attrs) {
            return;
        }
        assert!(module.content.is_none(), "{}: a module without a file of its own", module.ident);
        self.children.insert(text(&module.ident));
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.add_tree(&mut Vec::new(), &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add_path(path.segments.iter().map(|segment| text(&segment.ident)).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        let tokens = call.tokens.clone();
        (|input: ParseStream<'_>| self.add_tokens(input)).parse2(tokens).unwrap();
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        visit::visit_meta_list(self, list);
        let tokens = list.tokens.clone();
        (|input: ParseStream<'_>| self.add_tokens(input)).parse2(tokens).unwrap();
    }
}
