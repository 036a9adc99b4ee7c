package selftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
)

var settingCases = []test{
	{"sSg1", "setting group control blocks", func(r *run, ctx context.Context) (string, error) {
		ld, groups, err := r.settingGroups(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s has %s", ld, count(groups, "group")), nil
	}},
	{"sSg3", "edit a setting, as it is, and confirm", func(r *run, ctx context.Context) (string, error) {
		ld, _, err := r.settingGroups(ctx)
		if err != nil {
			return "", err
		}
		if !r.cfg.Write {
			return "", skip("it was not to write")
		}
		return r.editBack(ctx, ld)
	}},
	{"sSgN1", "an unknown group is not activated", func(r *run, ctx context.Context) (string, error) {
		ld, groups, err := r.settingGroups(ctx)
		if err != nil {
			return "", err
		}
		return all(
			func() (string, error) { return refused("group 0", r.client.ActivateGroup(ctx, ld, 0)) },
			func() (string, error) {
				return refused(fmt.Sprintf("group %d", groups+1), r.client.ActivateGroup(ctx, ld, uint8(min(groups+1, 255))))
			})
	}},
	{"sSgN2", "an unknown group is not edited", func(r *run, ctx context.Context) (string, error) {
		ld, groups, err := r.settingGroups(ctx)
		if err != nil {
			return "", err
		}
		return refused(fmt.Sprintf("group %d", groups+1), r.client.EditGroup(ctx, ld, uint8(min(groups+1, 255))))
	}},
}

// settingGroups is the first logical device that has setting groups, and how many.
func (r *run) settingGroups(ctx context.Context) (ld string, groups int, err error) {
	for _, ld := range r.model.lds {
		block, err := r.client.SettingGroups(ctx, ld)
		if err != nil {
			if errors.Is(err, &acsi.Error{Code: acsi.ObjectNonExistent}) {
				continue
			}
			return "", 0, err
		}
		v, _ := block.Attribute("NumOfSG")
		n, _ := v.Int()
		return ld, int(n), nil
	}
	return "", 0, skip("it has no setting groups")
}

// editBack writes a setting of the active group as it is.
func (r *run) editBack(ctx context.Context, ld string) (string, error) {
	block, err := r.client.SettingGroups(ctx, ld)
	if err != nil {
		return "", err
	}
	active, _ := block.Attribute("ActSG")
	group, _ := active.Uint()
	for _, o := range r.model.leaves {
		if o.Ref.LD() != ld || o.Ref.FC() != acsi.SE {
			continue
		}
		readings, err := r.client.Read(ctx, o.Ref.WithFC(acsi.SG))
		if err != nil || readings[0].Err != nil {
			return "", errors.Join(err, readings[0].Err)
		}
		if err := r.client.EditSettings(ctx, ld, uint8(group), client.Assignment{Object: o, Value: readings[0].Value}); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s in group %d", o.Ref.Path(), group), nil
	}
	return "", skip("%s has setting groups, and no setting", ld)
}

var logCases = []test{
	{"sLog1", "logs and log control blocks", func(r *run, ctx context.Context) (string, error) {
		logs, err := r.logs(ctx)
		if err != nil {
			return "", err
		}
		blocks, err := r.client.ControlBlocks(ctx, acsi.Ref{}, acsi.LG)
		if err != nil {
			return "", err
		}
		for _, b := range blocks {
			if b.Err != nil {
				return "", fmt.Errorf("%s: %w", b.Ref, b.Err)
			}
		}
		return count(len(logs), "log") + ", " + count(len(blocks), "control block"), nil
	}},
	{"sLog5", "QueryLogByTime", func(r *run, ctx context.Context) (string, error) {
		logs, err := r.logs(ctx)
		if err != nil {
			return "", err
		}
		const most = 1000
		n, last := 0, acsi.LogEntry{}
		for e, err := range r.client.QueryLog(ctx, logs[0], client.LogQuery{}) {
			if err != nil {
				return "", err
			}
			if e.Time.Before(last.Time) {
				return "", fmt.Errorf("entry %x is of %v, the one before it of %v", e.ID, e.Time, last.Time)
			}
			last = e
			if n++; n == most {
				break
			}
		}
		return fmt.Sprintf("%s: %d of its entries, in their order", logs[0], n), nil
	}},
	{"sLogN1", "unknown log", func(r *run, ctx context.Context) (string, error) {
		if _, err := r.logs(ctx); err != nil {
			return "", err
		}
		ref, err := r.model.lns[0].Child("NoSuchLog")
		if err != nil {
			return "", err
		}
		for _, err := range r.client.QueryLog(ctx, ref, client.LogQuery{}) {
			return refused("a query of it", err)
		}
		return refused("a query of it", nil)
	}},
}

func (r *run) logs(ctx context.Context) ([]acsi.Ref, error) {
	if !r.services.Supported().Has(acsi.GetLogs) {
		return nil, skip("the IED does not serve logs")
	}
	logs, err := r.client.Logs(ctx, acsi.Ref{})
	if err == nil && len(logs) == 0 {
		err = skip("it has no log")
	}
	return logs, err
}

// ownFile is the file that the self-test puts and deletes.
const ownFile = "busbar-selftest.txt"

var fileCases = []test{
	{"sFt1", "directory of files", func(r *run, ctx context.Context) (string, error) {
		files, err := r.files(ctx)
		return count(len(files), "file"), err
	}},
	{"sFt2", "GetFile", func(r *run, ctx context.Context) (string, error) {
		files, err := r.files(ctx)
		if err != nil {
			return "", err
		}
		const most = 20 // folders that are looked into
		for i := 0; i < len(files) && i < most; i++ {
			f := files[i]
			if strings.HasSuffix(f.Name, "/") {
				inside, err := r.client.Files(ctx, f.Name)
				if err != nil {
					return "", fmt.Errorf("%s: %w", f.Name, err)
				}
				files = append(files, inside...)
				continue
			}
			if _, err := r.client.GetFile(ctx, f.Name, 0, io.Discard, nil); err != nil {
				return "", fmt.Errorf("%s: %w", f.Name, err)
			}
			return fmt.Sprintf("%s, %d octets", f.Name, f.Size), nil
		}
		return "", skip("it has no file")
	}},
	{"sFt3", "SetFile, GetFile and DeleteFile", func(r *run, ctx context.Context) (string, error) {
		if _, err := r.files(ctx); err != nil {
			return "", err
		}
		if !r.cfg.Write {
			return "", skip("it was not to write")
		}
		content := []byte(strings.Repeat("busbar ", 10_000))
		if err := r.client.PutFile(ctx, ownFile, bytes.NewReader(content), int64(len(content)), nil); err != nil {
			if errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
				return "", skip("the role of this client does not allow it: %v", err)
			}
			return "", fmt.Errorf("put: %w", err)
		}
		var back bytes.Buffer
		_, getting := r.client.GetFile(ctx, ownFile, 0, &back, nil)
		deleting := r.client.DeleteFile(ctx, ownFile)
		if err := errors.Join(getting, deleting); err != nil {
			return "", err
		}
		if !bytes.Equal(content, back.Bytes()) {
			return "", fmt.Errorf("%d octets were put, and other %d have come back", len(content), back.Len())
		}
		return fmt.Sprintf("%s of %d octets", ownFile, len(content)), nil
	}},
	{"sFtN1", "unknown file", func(r *run, ctx context.Context) (string, error) {
		if _, err := r.files(ctx); err != nil {
			return "", err
		}
		_, err := r.client.GetFile(ctx, "no-such-file", 0, io.Discard, nil)
		return refused("a read of it", err)
	}},
}

func (r *run) files(ctx context.Context) ([]acsi.File, error) {
	if !r.services.Supported().Has(acsi.GetFiles) {
		return nil, skip("the IED does not serve files")
	}
	return r.client.Files(ctx, "")
}

// associations is how many times one is made and released.
const associations = 10

var associationCases = []test{
	{"sAss1", "associate and release, again and again", func(r *run, ctx context.Context) (string, error) {
		if r.cfg.Associate == nil {
			return "", skip("there is one association only")
		}
		for i := range associations {
			s, err := r.cfg.Associate(ctx)
			if err != nil {
				return "", fmt.Errorf("association %d: %w", i+1, err)
			}
			if _, err := s.GetServerDirectory(ctx); err != nil {
				return "", fmt.Errorf("association %d: %w", i+1, err)
			}
			if err := s.Close(ctx); err != nil {
				return "", fmt.Errorf("release of association %d: %w", i+1, err)
			}
		}
		return count(associations, "time"), nil
	}},
	{"sDs7", "what belongs to an association is gone after it", func(r *run, ctx context.Context) (string, error) {
		switch {
		case r.cfg.Associate == nil:
			return "", skip("there is one association only")
		case !r.cfg.Write:
			return "", skip("it was not to write")
		case !r.services.Supported().Has(acsi.CreateDataSet):
			return "", skip("the IED does not serve CreateDataSet")
		}
		ref, err := acsi.NewDataSetRef(acsi.Ref{}, ownSet)
		if err != nil {
			return "", err
		}
		first, err := r.cfg.Associate(ctx)
		if err != nil {
			return "", err
		}
		making := first.CreateDataSet(ctx, ref, r.members(1))
		if err := errors.Join(making, first.Close(ctx)); err != nil {
			return "", err
		}
		second, err := r.cfg.Associate(ctx)
		if err != nil {
			return "", err
		}
		_, err = second.GetDataSetDirectory(ctx, ref)
		said, err := refused("directory of "+ref.String()+" in the next one", err)
		return said, errors.Join(err, second.Close(ctx))
	}},
}
