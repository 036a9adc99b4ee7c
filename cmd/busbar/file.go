package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
)

func (g *global) fileCommand() *cobra.Command {
	return group("file", "list, get, put and delete files of an IED",
		g.onFiles(&cobra.Command{
			Use:     "ls --to JID [FOLDER/|PATTERN]",
			Short:   "list files",
			Example: "  busbar file ls --to fdr1\n  busbar file ls --to fdr1 'COMTRADE/*.cfg'",
		}, 0, 1, listFiles),
		g.onFiles(&cobra.Command{
			Use:   "get --to JID FILE [LOCAL]",
			Short: "copy a file of an IED here",
			Long: `get copies a file of the IED to LOCAL, a file or a folder; by default to this
folder, under its own name. - is standard output. What is there already is
replaced once the whole file has come.`,
			Example: "  busbar file get --to fdr1 COMTRADE/fault1.cfg",
		}, 1, 2, getFile),
		g.onFiles(&cobra.Command{
			Use:     "put --to JID LOCAL [FILE]",
			Short:   "copy a file to an IED",
			Example: "  busbar file put --to fdr1 settings.txt CONFIG/settings.txt",
		}, 1, 2, putFile),
		g.onFiles(&cobra.Command{
			Use:     "rm --to JID FILE…",
			Short:   "delete files of an IED",
			Example: "  busbar file rm --to fdr1 COMTRADE/fault1.cfg",
		}, 1, -1, func(ctx context.Context, a *access, peer *session, names []string) error {
			var failed error
			for _, name := range names {
				if err := peer.DeleteFile(ctx, name); err != nil {
					failed = errors.Join(failed, a.aboutFile(name, err))
				}
			}
			return failed
		}),
	)
}

// onFiles makes c a command that does something with files on an association, which may last as long as it takes.
func (g *global) onFiles(c *cobra.Command, least, most int, do func(ctx context.Context, a *access, peer *session, names []string) error) *cobra.Command {
	var a *access
	c.Args = between(least, most)
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.with(c.Context(), func(ctx context.Context, peer *session) error { return do(ctx, a, peer, args) })
	}
	a = g.access(c)
	a.lasting = true
	a.completes(c, offerFiles)
	return c
}

// aboutFile names the file in err.
func (a *access) aboutFile(name string, err error) error {
	failure := client.FailureOf(acsi.Ref{}, err)
	if _, refused := errors.AsType[*acsi.Error](err); refused && a.json {
		if printing := a.line(struct {
			File  string          `json:"file"`
			Error *client.Failure `json:"error"`
		}{name, failure}); printing != nil {
			return printing
		}
		return errReported
	}
	hint := ""
	switch failure.Code {
	case acsi.ObjectAccessUnsupported.String():
		hint = "the IED serves no files: a Busbar IED does with --files FOLDER"
	case acsi.ObjectNonExistent.String():
		hint = "see what there is with busbar file ls"
	case acsi.ObjectAccessDenied.String():
		hint = "it takes a role with the right for files, such as ENGINEER"
	}
	return hinted(fmt.Errorf("%s: %w", cmp.Or(oneLine(name), "the files"), err), hint)
}

func listFiles(ctx context.Context, a *access, peer *session, names []string) error {
	name := ""
	if len(names) > 0 {
		name = names[0]
	}
	files, err := peer.Files(ctx, name)
	if err != nil {
		return a.aboutFile(name, err)
	}
	table := tabwriter.NewWriter(a.g.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	zone := time.Local
	if a.utc {
		zone = time.UTC
	}
	for _, f := range files {
		if a.json {
			err = a.line(struct {
				Name     string    `json:"name"`
				Size     uint32    `json:"size"`
				Modified time.Time `json:"modified"`
			}{f.Name, f.Size, f.Modified.UTC()})
		} else {
			modified := "–"
			if !f.Modified.IsZero() {
				modified = f.Modified.In(zone).Format("2006-01-02 15:04:05")
			}
			_, err = fmt.Fprintf(table, "%d\t  %s\t  %s\n", f.Size, modified, oneLine(f.Name))
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

// getFile writes beside the place of the file, so that what is there is never half of something.
func getFile(ctx context.Context, a *access, peer *session, names []string) error {
	name, local := names[0], "."
	if len(names) > 1 {
		local = names[1]
	}
	if local == "-" && a.g.tracing != nil {
		return usagef("the trace goes to standard output: name a local file for %s", oneLine(name))
	}
	if local == "-" {
		_, err := peer.GetFile(ctx, name, 0, a.g.stdout, nil)
		return a.fileDone(name, err)
	}
	if info, err := os.Stat(local); err == nil && info.IsDir() {
		local = filepath.Join(local, path.Base(strings.ReplaceAll(name, `\`, "/")))
	}
	part, err := os.CreateTemp(filepath.Dir(local), ".busbar-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name()) // nothing is there once it has its place
	_, err = peer.GetFile(ctx, name, 0, part, a.progress(name))
	if err == nil {
		err = part.Sync()
	}
	if closing := part.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(part.Name(), local)
	}
	return a.fileDone(name, err)
}

func putFile(ctx context.Context, a *access, peer *session, names []string) error {
	name := filepath.Base(names[0])
	if len(names) > 1 {
		name = names[1]
	}
	f, err := os.Open(names[0])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", names[0])
	}
	if err != nil {
		return err
	}
	return a.fileDone(name, peer.PutFile(ctx, name, f, info.Size(), a.progress(name)))
}

func (a *access) fileDone(name string, err error) error {
	if err != nil {
		return a.aboutFile(name, err)
	}
	return nil
}

// progress draws a bar on standard error, where a person sees it.
func (a *access) progress(name string) client.Progress {
	if !isTerminal(a.g.stderr) || a.json {
		return nil
	}
	return progressBar(a.g.stderr, oneLine(path.Base(name)), time.Now)
}

// barWidth is how many columns a bar takes.
const barWidth = 30

// progressBar draws ten times a second at most, and once at the end.
func progressBar(w io.Writer, name string, now func() time.Time) client.Progress {
	began, drawn := now(), time.Time{}
	return func(done, total int64) {
		at := now()
		ended := total > 0 && done >= total
		if !ended && at.Sub(drawn) < 100*time.Millisecond {
			return
		}
		drawn = at
		rate := float64(done) / 1024 / max(at.Sub(began).Seconds(), 0.001)
		if total > 0 {
			full := int(min(done, total) * barWidth / total)
			fmt.Fprintf(w, "\r%s  [%s%s] %3d %%  %.0f kB/s ", name, strings.Repeat("#", full), strings.Repeat(" ", barWidth-full), min(done, total)*100/total, rate)
		} else {
			fmt.Fprintf(w, "\r%s  %d kB  %.0f kB/s ", name, done/1024, rate)
		}
		if ended {
			fmt.Fprintln(w)
		}
	}
}
