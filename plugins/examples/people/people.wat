;; Asks people, unless the sides that changed something made the same change.
(module
  (memory (export "memory") 2)

  (func (export "kv_abi_version") (result i32) (i32.const 1))

  ;; The host's buffer: the 64 KiB at 65536, or new pages for a larger frame. Growing fails with -1, which is no address: 0
  ;; refuses the frame then.
  (func (export "kv_alloc") (param $n i32) (result i32)
    (local $page i32)
    (if (i32.le_u (local.get $n) (i32.const 65536)) (then (return (i32.const 65536))))
    (local.set $page (memory.grow (i32.shr_u (i32.add (local.get $n) (i32.const 65535)) (i32.const 16))))
    (select (i32.const 0) (i32.shl (local.get $page) (i32.const 16)) (i32.eq (local.get $page) (i32.const -1))))

  ;; Whether two versions are equal: both deletes, or neither and the same bytes.
  (func $equal (param $a i32) (param $b i32) (result i32)
    (local $x i32) (local $y i32) (local $end i32)
    (if (i32.and (i32.xor (i32.load offset=24 (local.get $a)) (i32.load offset=24 (local.get $b))) (i32.const 1))
      (then (return (i32.const 0))))
    (if (i32.ne (i32.load offset=20 (local.get $a)) (i32.load offset=20 (local.get $b)))
      (then (return (i32.const 0))))
    (local.set $x (i32.load offset=16 (local.get $a)))
    (local.set $y (i32.load offset=16 (local.get $b)))
    (local.set $end (i32.add (local.get $x) (i32.load offset=20 (local.get $a))))
    ;; Words as long as there are eight bytes, then the rest.
    (block $rest
      (loop $word
        (br_if $rest (i32.lt_u (i32.sub (local.get $end) (local.get $x)) (i32.const 8)))
        (if (i64.ne (i64.load (local.get $x)) (i64.load (local.get $y))) (then (return (i32.const 0))))
        (local.set $x (i32.add (local.get $x) (i32.const 8)))
        (local.set $y (i32.add (local.get $y) (i32.const 8)))
        (br $word)))
    (loop $byte
      (if (i32.eq (local.get $x) (local.get $end)) (then (return (i32.const 1))))
      (if (i32.ne (i32.load8_u (local.get $x)) (i32.load8_u (local.get $y))) (then (return (i32.const 0))))
      (local.set $x (i32.add (local.get $x) (i32.const 1)))
      (local.set $y (i32.add (local.get $y) (i32.const 1)))
      (br $byte))
    (unreachable))

  ;; The address of version number i.
  (func $version (param $frame i32) (param $i i32) (result i32)
    (i32.add (i32.add (local.get $frame) (i32.const 64)) (i32.shl (local.get $i) (i32.const 5))))

  (func (export "handle_conflict") (param $frame i32) (result i32)
    (local $n i32) (local $i i32) (local $changed i32) (local $base i32)
    (local.set $n (i32.load offset=4 (local.get $frame)))
    (local.set $changed (i32.const -1))
    ;; Bit 0 of the frame's flags: the base stands behind the last version.
    (if (i32.and (i32.load offset=60 (local.get $frame)) (i32.const 1))
      (then (local.set $base (call $version (local.get $frame) (local.get $n)))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $i) (local.get $n)))
        (block $skip
          (if (local.get $base)
            (then (br_if $skip (call $equal (call $version (local.get $frame) (local.get $i)) (local.get $base)))))
          ;; Two different changes: keep both, for people.
          (if (i32.ge_s (local.get $changed) (i32.const 0))
            (then
              (if (i32.eqz (call $equal (call $version (local.get $frame) (local.get $i))
                  (call $version (local.get $frame) (local.get $changed))))
                (then (return (i32.const 0))))))
          (local.set $changed (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    ;; Nobody changed anything: the newest will do.
    (if (i32.lt_s (local.get $changed) (i32.const 0))
      (then (local.set $changed (i32.sub (local.get $n) (i32.const 1)))))
    ;; aux = the picked version, status PICK.
    (i32.store offset=56 (local.get $frame) (local.get $changed))
    (i32.const 3)))
