package main

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
)

// completionTime is how long a shell waits for an IED.
const completionTime = 3 * time.Second

// offer is what an IED has that begins as a word does.
type offer func(ctx context.Context, peer *session, word string) ([]string, error)

// completes has the shell complete arguments by what the IED has. What cannot be asked is not offered.
func (a *access) completes(c *cobra.Command, o offer) {
	c.ValidArgsFunction = func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		if a.to == "" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		a.g.stderr, a.timeout = io.Discard, completionTime
		var words []string
		err := a.with(c.Context(), func(ctx context.Context, peer *session) (err error) {
			ctx, cancel := context.WithTimeout(ctx, completionTime)
			defer cancel()
			words, err = o(ctx, peer, word)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// offerRefs goes one level down: logical devices, logical nodes, then what is in them, with its class.
func offerRefs(ctx context.Context, peer *session, word string) ([]string, error) {
	var parent acsi.Ref
	if i := strings.LastIndexAny(word, "/."); i >= 0 {
		var err error
		if parent, err = acsi.ParseRef(word[:i]); err != nil {
			return nil, err
		}
	}
	objects, err := peer.List(ctx, parent)
	if err != nil {
		return nil, err
	}
	var words []string
	for i, o := range objects {
		path := o.Ref.Path()
		if !strings.HasPrefix(path, word) || i > 0 && objects[i-1].Ref.Path() == path {
			continue
		}
		words = append(words, path+below(o))
	}
	return words, nil
}

// below is what follows the name of an object that has others in it, and what the object is.
func below(o client.Object) string {
	n := o.Node
	switch {
	case n == nil:
		return "/"
	case n.Kind == acsi.LogicalNodeNode:
		return "."
	case n.CDC != "":
		return "\t" + n.CDC
	case n.FC != 0:
		return "\t" + n.FC.String() + " " + client.TypeName(n)
	}
	return ""
}

// offerNames completes references of data sets, or of logs, which list gives.
func offerNames(list func(*session, context.Context, acsi.Ref) ([]acsi.Ref, error)) offer {
	return func(ctx context.Context, peer *session, word string) ([]string, error) {
		refs, err := list(peer, ctx, acsi.Ref{})
		var words []string
		for _, ref := range refs {
			if strings.HasPrefix(ref.String(), word) {
				words = append(words, ref.String())
			}
		}
		return words, err
	}
}

// offerReported completes references, and names of data sets too.
func offerReported(ctx context.Context, peer *session, word string) ([]string, error) {
	words, err := offerRefs(ctx, peer, word)
	if strings.Count(word, ".") != 1 {
		return words, err
	}
	sets, err := offerNames(func(peer *session, ctx context.Context, _ acsi.Ref) ([]acsi.Ref, error) {
		ln, err := acsi.ParseRef(word[:strings.LastIndexByte(word, '.')])
		if err != nil {
			return nil, err
		}
		return peer.DataSets(ctx, ln)
	})(ctx, peer, word)
	for _, set := range sets {
		words = append(words, set+"\tdata set")
	}
	return words, err
}

// offerFiles completes the names of files, folder by folder.
func offerFiles(ctx context.Context, peer *session, word string) ([]string, error) {
	files, err := peer.Files(ctx, word[:strings.LastIndexByte(word, '/')+1])
	var words []string
	for _, f := range files {
		if strings.HasPrefix(f.Name, word) {
			words = append(words, f.Name)
		}
	}
	return words, err
}

// completeAccounts offers the parties of the site, by their names.
func (g *global) completeAccounts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	s, err := g.site()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	folders, err := os.ReadDir(s.Path("pki"))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, f := range folders {
		if name, _, ok := strings.Cut(f.Name(), "@"); ok && f.IsDir() {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
