package mmsmap

import (
	"context"
	"slices"
	"sync"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

// ServerConfig says how a peer is served. Services is needed. It is copied on entry.
type ServerConfig struct {
	Services    func(rbac.Subject) acsi.Services // what a peer may ask, by who it is
	Association assoc.Config                     // sizes and numbers, and ExtendedNames; Handler, the other Services and Fault are set here
	Identity    Identity                         // of the IED, as Identify tells it
	Fault       func(error)                      // hears of faults that the peer is not told of; nil drops them

	// Admit decides on a peer that asks for an association: an error refuses it, as Serve of the package assoc says. leave is called
	// once the association has ended. nil: all are taken.
	Admit func(rbac.Subject) (leave func(), err error)
}

// Serve answers one peer on link until the association ends or ctx does. It returns nil after an orderly
// release, else why the association ended.
func Serve(ctx context.Context, link assoc.Link, cfg ServerConfig) error {
	if cfg.Fault == nil {
		cfg.Fault = func(error) {}
	}
	ac := cfg.Association
	ac.Fault = cfg.Fault
	leave := func() {}
	defer func() { leave() }()
	s := &server{identity: cfg.Identity, fault: cfg.Fault, refs: make(references), dataSets: make(references)}
	a, err := assoc.Accept(ctx, link, ac, func(a *assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
		if cfg.Admit != nil {
			left, err := cfg.Admit(a.Peer())
			if err != nil {
				return nil, mms.ServiceSupportOptions{}, err
			}
			leave = left
		}
		s.association = a
		s.services = cfg.Services(a.Peer())
		support := supportOf(s.services.Supported())
		if s.levels = support.Has(mms.ServiceGetNameList) && offersLevels(cfg.Association); s.levels {
			support = joinServices(support, ExtendedNames)
		}
		return s.handle, support, nil
	})
	if err != nil {
		return err
	}
	s.tellUntilEnd(ctx)
	s.files.closeAll()
	if err := s.services.Close(context.WithoutCancel(ctx)); err != nil {
		s.fault(err)
	}
	return a.Err()
}

// tellUntilEnd tells the peer what it does not ask for, and returns when the association has ended, or with ctx when it has aborted
// it.
func (s *server) tellUntilEnd(ctx context.Context) {
	telling, stop := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { s.tellAll(telling) })
	select {
	case <-s.association.Done():
	case <-ctx.Done():
		s.association.Abort()
	}
	stop()
	told.Wait()
}

// server answers one association. The association calls handle for one request at a time.
type server struct {
	association *assoc.Association
	services    acsi.Services
	identity    Identity
	fault       func(error)
	levels      bool       // extendedGetNameList is offered
	refs        references // of variables
	dataSets    references // of data sets and logs
	files       openFiles
}

func (s *server) handle(ctx context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	switch r := request.(type) {
	case *mms.StatusRequest:
		return s.status(ctx)
	case *mms.IdentifyRequest:
		return s.identify(ctx)
	case *mms.GetNameListRequest:
		return s.getNameList(ctx, r)
	case *mms.ExtendedGetNameListRequest:
		return s.extendedGetNameList(ctx, r)
	case *mms.ReadRequest:
		return s.read(ctx, r)
	case *mms.WriteRequest:
		return s.write(ctx, r)
	case *mms.GetVariableAccessAttributesRequest:
		return s.getVariableAccessAttributes(ctx, r)
	case *mms.GetNamedVariableListAttributesRequest:
		return s.getNamedVariableListAttributes(ctx, r)
	case *mms.DefineNamedVariableListRequest:
		return s.defineNamedVariableList(ctx, r)
	case *mms.DeleteNamedVariableListRequest:
		return s.deleteNamedVariableList(ctx, r)
	case *mms.ReadJournalRequest:
		return s.readJournal(ctx, r)
	}
	return s.handleFile(ctx, request)
}

func (s *server) handleFile(ctx context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	switch r := request.(type) {
	case *mms.FileOpenRequest:
		return s.fileOpen(ctx, r)
	case *mms.FileReadRequest:
		return s.files.read(r)
	case *mms.FileCloseRequest:
		return s.files.close(r)
	case *mms.FileDirectoryRequest:
		return s.fileDirectory(ctx, r)
	case *mms.FileDeleteRequest:
		return s.fileDelete(ctx, r)
	case *mms.ObtainFileRequest:
		return s.obtainFile(ctx, r)
	}
	return nil, assoc.ErrUnrecognizedService
}

// supportOf is the MMS services that carry the ACSI services of s.
func supportOf(s acsi.ServiceSet) mms.ServiceSupportOptions {
	kinds := []mms.ServiceKind{mms.ServiceStatus, mms.ServiceIdentify, mms.ServiceConclude}
	for _, c := range carriers {
		if s&c.services != 0 {
			kinds = append(kinds, c.kinds...)
		}
	}
	return mms.Services(kinds...)
}

// supportedBy is the ACSI services that a peer with the MMS services of o serves: those of which it has all that carries them.
func supportedBy(o mms.ServiceSupportOptions) acsi.ServiceSet {
	var s acsi.ServiceSet
	for _, c := range carriers {
		if !slices.ContainsFunc(c.kinds, func(k mms.ServiceKind) bool { return !o.Has(k) }) {
			s |= c.services
		}
	}
	return s
}

// carriers tells which MMS services carry which ACSI services.
//
// IEC 61850-8-1, Table "Mapping of ACSI services".
var carriers = []struct {
	services acsi.ServiceSet
	kinds    []mms.ServiceKind
}{
	{acsi.GetServerDirectory | acsi.GetLogicalDeviceDirectory | acsi.GetLogicalNodeDirectory, []mms.ServiceKind{mms.ServiceGetNameList}},
	{acsi.GetDataValues | acsi.GetAllDataValues, []mms.ServiceKind{mms.ServiceRead}},
	{acsi.SetDataValues, []mms.ServiceKind{mms.ServiceWrite}},
	{acsi.GetDataDirectory | acsi.GetDataDefinition, []mms.ServiceKind{mms.ServiceGetVariableAccessAttributes}},
	{acsi.GetDataSets, []mms.ServiceKind{mms.ServiceGetNameList, mms.ServiceGetNamedVariableListAttributes}},
	{acsi.GetDataSetDirectory, []mms.ServiceKind{mms.ServiceGetNamedVariableListAttributes}},
	{acsi.GetDataSetValues, []mms.ServiceKind{mms.ServiceRead, mms.ServiceGetNamedVariableListAttributes}},
	{acsi.SetDataSetValues, []mms.ServiceKind{mms.ServiceWrite, mms.ServiceGetNamedVariableListAttributes}},
	{acsi.CreateDataSet, []mms.ServiceKind{mms.ServiceDefineNamedVariableList}},
	{acsi.DeleteDataSet, []mms.ServiceKind{mms.ServiceDeleteNamedVariableList}},
	{acsi.GetLogs, []mms.ServiceKind{mms.ServiceGetNameList, mms.ServiceReadJournal}},
	{acsi.QueryLogByTime | acsi.QueryLogAfter, []mms.ServiceKind{mms.ServiceReadJournal}},
	{acsi.GetFiles, []mms.ServiceKind{mms.ServiceFileDirectory}},
	{acsi.GetFile, []mms.ServiceKind{mms.ServiceFileOpen, mms.ServiceFileRead, mms.ServiceFileClose}},
	{acsi.SetFile, []mms.ServiceKind{mms.ServiceObtainFile}},
	{acsi.DeleteFile, []mms.ServiceKind{mms.ServiceFileDelete}},
	{acsi.Reporting, []mms.ServiceKind{mms.ServiceInformationReport}},
}
