package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
)

func (g *global) accountCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "account",
		Short: "let accounts log in to the broker by password",
		Long: `account sets and takes away passwords, for parties that cannot show a TLS
certificate. A broker that runs in this folder takes passwords as long as there
is an account with one. End to end a party needs its certificate all the same.`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return c.Help()
		},
	}
	c.AddCommand(g.accountPassword(), g.accountRemove(), g.accountList())
	return c
}

func (g *global) accountPassword() *cobra.Command {
	var fromInput bool
	c := &cobra.Command{
		Use:   "password JID",
		Short: "set the password of an account",
		Long: `password asks for the password of an account, twice, and keeps what is needed to
verify it in pki/broker/passwords.yaml. With --stdin the password is the only
line of the standard input. A broker that runs in this folder takes it within a
minute, and then ends the sessions that began with another.`,
		Example: "  busbar account password hmi\n  busbar account password hmi --stdin < pki/hmi@dso.example/password",
		Args:    exactly("JID"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := g.site()
			if err != nil {
				return err
			}
			j, err := s.Account(args[0])
			if err != nil {
				return err
			}
			password, err := g.newPassword(c, fromInput)
			if err != nil {
				return err
			}
			if err := s.SetPassword(j, password); err != nil {
				return err
			}
			if n := len([]rune(password)); n < 12 {
				fmt.Fprintf(g.stderr, "  hint: %s can be guessed: take twelve or more, at random\n", number(n, "character"))
			}
			fmt.Fprintf(g.stdout, "%v: may log in by password\n", j.Bare())
			return nil
		},
	}
	c.Flags().BoolVar(&fromInput, "stdin", false, "read the password from the standard input")
	return c
}

func (g *global) accountRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove JID",
		Short:   "take the password of an account away; its certificates stay",
		Example: "  busbar account remove hmi",
		Args:    exactly("JID"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := g.site()
			if err != nil {
				return err
			}
			j, err := s.Account(args[0])
			if err != nil {
				return err
			}
			if err := s.RemovePassword(j); err != nil {
				return err
			}
			fmt.Fprintf(g.stdout, "%v: has no password any more\n", j.Bare())
			return nil
		},
	}
}

func (g *global) accountList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "say which accounts have a password",
		Example: "  busbar account list",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			s, err := g.site()
			if err != nil {
				return err
			}
			named, err := s.PasswordAccounts()
			for _, name := range named {
				fmt.Fprintln(g.stdout, name)
			}
			return err
		},
	}
}

// newPassword asks for a password.
func (g *global) newPassword(c *cobra.Command, fromInput bool) (string, error) {
	if fromInput {
		text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), site.MaxPassword+1))
		if err != nil {
			return "", err
		}
		return site.ParsePassword(text, "the standard input")
	}
	terminal, _ := c.InOrStdin().(*os.File)
	var given [2][]byte
	for i, prompt := range []string{"Password: ", "Again: "} {
		var err error
		if given[i], err = g.ask(c.Context(), terminal, prompt); err != nil {
			return "", err
		}
	}
	if !bytes.Equal(given[0], given[1]) {
		return "", site.Hint(errors.New("the two passwords differ"), "nothing is changed: try again")
	}
	return site.ParsePassword(given[0], "what was typed")
}

// ask reads a line from a terminal that does not show it.
func (g *global) ask(ctx context.Context, terminal *os.File, prompt string) ([]byte, error) {
	restore, err := hideInput(terminal)
	if err != nil {
		return nil, &usageError{site.Hint(fmt.Errorf("no password can be asked for here: %w", err), "give the password in the standard input, with --stdin")}
	}
	defer restore()
	fmt.Fprint(g.stderr, prompt)
	defer fmt.Fprintln(g.stderr)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() { // which an interrupt leaves behind: nothing ends a read from a terminal
		text := make([]byte, site.MaxPassword+1)
		n, err := terminal.Read(text) // a terminal gives a line at once
		read <- line{text[:n], err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case l := <-read:
		if len(l.text) > 0 || errors.Is(l.err, io.EOF) {
			l.err = nil
		}
		return l.text, l.err
	}
}
