(* Waits in callbacks of Lwt: through a stub of Unix, one with a lock released, and a channel. *)
let charge () =
  Unix.sleepf 0.06;
  ignore (Sys.opaque_identity 1)

let query () =
  ignore (Unix.select [] [] [] 0.05);
  ignore (Sys.opaque_identity 1)

let lines () =
  let channel = Unix.open_process_in "sleep 0.07; echo" in
  (try ignore (input_line channel) with End_of_file -> ());
  ignore (Unix.close_process_in channel)

let rec turn n =
  if n = 0 then Lwt.return_unit
  else
    Lwt.bind (Lwt_unix.sleep 0.01) (fun () ->
        if n = 3 then charge ();
        if n = 6 then query ();
        if n = 9 then lines ();
        turn (n - 1))

let () = Lwt_main.run (turn 12)
