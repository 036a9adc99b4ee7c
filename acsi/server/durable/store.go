// Package durable keeps the state of an IED in a file, a SQLite database, so that it outlives the process and the loss of power.
package durable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"busbar.example/acsi/server"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// DefaultMaxSize is how large the file grows where nothing else is configured, in octets.
const DefaultMaxSize = 1 << 30

// Config says where the state is kept.
type Config struct {
	Path    string // of the file; another one with -wal behind its name lies beside it
	MaxSize int64  // octets that the file grows to; beyond it Commit fails; 0: DefaultMaxSize
}

// Store is a server.State. Load and Commit are called by one goroutine at a time; Close may be called at any time.
type Store struct {
	path string

	mu    sync.Mutex
	db    *sql.DB
	conn  *sql.Conn      // the only one: the file is its alone
	names map[name]int64 // the numbers of names that the file has
	put   *sql.Stmt      // of name, number, data
	drop  *sql.Stmt      // of name, number
}

var _ server.State = (*Store)(nil)

// name is what records are under.
type name struct{ table, name string }

// The format of the file. A file of another is refused.
const (
	applicationID = 0x62757362 // "busb"
	version       = 1
	pageSize      = 4096
)

// What Open and Commit fail with, beside a DamagedError and what the file system says.
var (
	ErrInUse = errors.New("in use by another process")
	ErrFull  = errors.New("no more room, on the disk or within its bound")
)

// DamagedError says that a file is no state of an IED, or no longer one.
type DamagedError struct {
	Path string
	Err  error
}

// Error names the file and says what to do.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("durable: %s is damaged, or no state of an IED: %v; move it away to begin anew", e.Path, e.Err)
}

// Unwrap is what was found.
func (e *DamagedError) Unwrap() error { return e.Err }

// Open opens the file, or makes it for its owner alone to read. Its error is a *DamagedError where the file is there and cannot be
// used. While a Store is open, nobody else can open it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.MaxSize == 0 {
		cfg.MaxSize = DefaultMaxSize
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("durable: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("durable: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("durable: %w", err)
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("durable: %w", err)
	}
	s := &Store{path: path, db: db, names: map[name]int64{}}
	if err := s.prepare(ctx, cfg); err != nil {
		return nil, errors.Join(s.explain(err), s.Close())
	}
	return s, nil
}

// prepare takes the file, and makes the tables where it is new.
func (s *Store) prepare(ctx context.Context, cfg Config) (err error) {
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	for _, pragma := range []string{
		"locking_mode = EXCLUSIVE",
		fmt.Sprintf("page_size = %d", pageSize),
		"journal_mode = WAL",
		"synchronous = FULL", // what is committed is on the disk
		fmt.Sprintf("max_page_count = %d", max(16, cfg.MaxSize/pageSize)),
		fmt.Sprintf("journal_size_limit = %d", 16<<20),
	} {
		if _, err := s.conn.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return err
		}
	}
	if err := s.format(ctx); err != nil {
		return err
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT id, tab, name FROM names")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var n name
		if err := rows.Scan(&id, &n.table, &n.name); err != nil {
			return err
		}
		s.names[n] = id
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if s.put, err = s.conn.PrepareContext(ctx, "INSERT OR REPLACE INTO records (id, number, data) VALUES (?, ?, ?)"); err != nil {
		return err
	}
	s.drop, err = s.conn.PrepareContext(ctx, "DELETE FROM records WHERE id = ? AND number <= ?")
	return err
}

// format makes the tables of a new file, and checks those of another.
func (s *Store) format(ctx context.Context) error {
	var id, ver, tables int64
	for pragma, to := range map[string]*int64{"PRAGMA application_id": &id, "PRAGMA user_version": &ver, "SELECT count(*) FROM sqlite_schema": &tables} {
		if err := s.conn.QueryRowContext(ctx, pragma).Scan(to); err != nil {
			return err
		}
	}
	if id == 0 && ver == 0 && tables == 0 {
		_, err := s.conn.ExecContext(ctx, fmt.Sprintf(`BEGIN IMMEDIATE;
			CREATE TABLE names (id INTEGER PRIMARY KEY, tab TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (tab, name)) STRICT;
			CREATE TABLE records (id INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (id, number)) STRICT, WITHOUT ROWID;
			PRAGMA application_id = %d;
			PRAGMA user_version = %d;
			COMMIT`, applicationID, version))
		return err
	}
	if id != applicationID || ver != version {
		return &DamagedError{Path: s.path, Err: fmt.Errorf("its format is %#x, %d", id, ver)}
	}
	var verdict string
	if err := s.conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return &DamagedError{Path: s.path, Err: errors.New(verdict)}
	}
	return nil
}

// explain says what an error of the database means.
func (s *Store) explain(err error) error {
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		return err
	}
	var fault *sqlite.Error
	if errors.As(err, &fault) {
		switch fault.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return &DamagedError{Path: s.path, Err: err}
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("durable: %s is %w: %w", s.path, ErrInUse, err)
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("durable: %s has %w: %w", s.path, ErrFull, err)
		}
	}
	return fmt.Errorf("durable: %s: %w", s.path, err)
}

// Load gives all records, ordered by table, name and number.
func (s *Store) Load(load func(server.Record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return s.closed()
	}
	rows, err := s.conn.QueryContext(context.Background(),
		"SELECT tab, name, number, data FROM names JOIN records USING (id) ORDER BY tab, name, number")
	if err != nil {
		return s.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r server.Record
		if err := rows.Scan(&r.Table, &r.Name, &r.Number, &r.Data); err != nil {
			return s.explain(err)
		}
		if err := load(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return s.explain(err)
	}
	return nil
}

// Commit carries out all changes or none; when it returns nil they are on the disk.
func (s *Store) Commit(changes []server.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return s.closed()
	}
	ctx := context.Background()
	tx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(err)
	}
	made, err := s.carryOut(ctx, tx, changes)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		_ = tx.Rollback() // it fails where Commit has done it
		for _, n := range made {
			delete(s.names, n)
		}
		return s.explain(err)
	}
	return nil
}

// carryOut does changes within tx, and gives the names that it has made.
func (s *Store) carryOut(ctx context.Context, tx *sql.Tx, changes []server.Change) (made []name, err error) {
	put, drop := tx.StmtContext(ctx, s.put), tx.StmtContext(ctx, s.drop)
	for _, c := range changes {
		n := name{c.Table, c.Name}
		id, known := s.names[n]
		switch {
		case c.Op == server.DeleteThrough && known:
			_, err = drop.ExecContext(ctx, id, int64(c.Number))
		case c.Op == server.Put:
			if !known {
				result, err := tx.ExecContext(ctx, "INSERT INTO names (tab, name) VALUES (?, ?)", c.Table, c.Name)
				if err != nil {
					return made, err
				}
				if id, err = result.LastInsertId(); err != nil {
					return made, err
				}
				s.names[n], made = id, append(made, n)
			}
			_, err = put.ExecContext(ctx, id, int64(c.Number), append([]byte{}, c.Data...))
		}
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

func (s *Store) closed() error { return fmt.Errorf("durable: %s: %w", s.path, fs.ErrClosed) }

// Close gives the file back. A Commit under way is completed before.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil
	}
	var errs []error
	for _, stmt := range []*sql.Stmt{s.put, s.drop} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	errs = append(errs, s.db.Close())
	s.db, s.conn = nil, nil
	return errors.Join(errs...)
}
