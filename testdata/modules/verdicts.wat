;; Does what the first byte of the key says: every verdict, every violation, every trap.
(module
  (memory (export "memory") 2 64)
  (data (i32.const 16) "plum")
  (table 1 funcref)
  (func (export "kv_abi_version") (result i32) (i32.const 1))
  (func (export "kv_alloc") (param $n i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get $n) (i32.const 65536))))
  ;; $key is the first byte of the key.
  (func $key (param $f i32) (result i32) (i32.load8_u (i32.load offset=8 (local.get $f))))
  ;; $set answers SET with n bytes at p.
  (func $set (param $f i32) (param $p i32) (param $n i32) (result i32)
    (i32.store offset=40 (local.get $f) (local.get $p))
    (i32.store offset=44 (local.get $f) (local.get $n))
    (i32.const 1))
  (func $recurse (param $n i32) (result i32)
    (i32.add (i32.const 1) (call $recurse (i32.add (local.get $n) (i32.const 1)))))
  (func $is (param $f i32) (param $c i32) (result i32) (i32.eq (call $key (local.get $f)) (local.get $c)))

  (func $error (param $f i32) (param $p i32) (param $n i32) (result i32)
    (i32.store offset=48 (local.get $f) (local.get $p))
    (i32.store offset=52 (local.get $f) (local.get $n))
    (i32.const -7))
  (func $pick (param $f i32) (param $i i32) (result i32)
    (i32.store offset=56 (local.get $f) (local.get $i))
    (i32.const 3))
  (func (export "handle_conflict") (param $f i32) (result i32)
    ;; k: keep, d: delete, s: set, e: set nothing, p: pick the first, f: fail, F: fail with a whole page of text
    (if (call $is (local.get $f) (i32.const 0x6b)) (then (return (i32.const 0))))
    (if (call $is (local.get $f) (i32.const 0x64)) (then (return (i32.const 2))))
    (if (call $is (local.get $f) (i32.const 0x73)) (then (return (call $set (local.get $f) (i32.const 16) (i32.const 4)))))
    (if (call $is (local.get $f) (i32.const 0x65)) (then (return (call $set (local.get $f) (i32.const -1) (i32.const 0)))))
    (if (call $is (local.get $f) (i32.const 0x70)) (then (return (call $pick (local.get $f) (i32.const 0)))))
    (if (call $is (local.get $f) (i32.const 0x66)) (then (return (call $error (local.get $f) (i32.const 16) (i32.const 4)))))
    (if (call $is (local.get $f) (i32.const 0x46)) (then (return (call $error (local.get $f) (i32.const 0) (i32.const 65536)))))
    ;; l: set the whole memory
    (if (call $is (local.get $f) (i32.const 0x6c)) (then (return (call $set (local.get $f) (i32.const 0) (i32.const 131072)))))
    ;; g: grow by a page, and set its number
    (if (call $is (local.get $f) (i32.const 0x67)) (then
      (i32.store (i32.const 32) (memory.grow (i32.const 1)))
      (return (call $set (local.get $f) (i32.const 32) (i32.const 4)))))
    ;; violations. S: status, P: pointer, I: index, E: error pointer
    (if (call $is (local.get $f) (i32.const 0x53)) (then (return (i32.const 9))))
    (if (call $is (local.get $f) (i32.const 0x50)) (then (return (call $set (local.get $f) (i32.const 131070) (i32.const 4)))))
    (if (call $is (local.get $f) (i32.const 0x49)) (then (return (call $pick (local.get $f) (i32.load offset=4 (local.get $f))))))
    (if (call $is (local.get $f) (i32.const 0x45)) (then (return (call $error (local.get $f) (i32.const -8) (i32.const 8)))))
    ;; traps. U: unreachable, O: out of bounds, Z: division by zero, T: null table entry, R: endless recursion, L: endless loop
    (if (call $is (local.get $f) (i32.const 0x55)) (then unreachable))
    (if (call $is (local.get $f) (i32.const 0x4f)) (then (return (i32.load (i32.const 0x7fffffff)))))
    (if (call $is (local.get $f) (i32.const 0x5a)) (then (return (i32.div_u (i32.const 1) (i32.load (i32.const 64))))))
    (if (call $is (local.get $f) (i32.const 0x54)) (then (call_indirect (i32.const 0))))
    (if (call $is (local.get $f) (i32.const 0x52)) (then (return (call $recurse (i32.const 0)))))
    (if (call $is (local.get $f) (i32.const 0x4c)) (then (loop $l (br $l))))
    ;; M: unreachable after growing by 49 pages
    (if (call $is (local.get $f) (i32.const 0x4d)) (then (drop (memory.grow (i32.const 49))) unreachable))
    (i32.const 0)))
